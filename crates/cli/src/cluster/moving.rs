//! Moving a slot from node to node, keys first, then the ownership.
//!
//! ```text
//!   target: IMPORTING      then  source: MIGRATING            (in this order: nobody is sent to a node that does not know yet)
//!   source: GETKEYSINSLOT, MIGRATE KEYS ...                   until it has none, in each of its databases
//!   target: NODE target    then  source: NODE target, others  (the target first: a slot is never without an owner)
//! ```
//!
//! A cold move moves keys only. A key that is at the target already (BUSYKEY) is compared; equal ones are replaced, others
//! only with `--cluster-replace`.

use super::group::{Done, Failed, Group};
use super::node::Fault;
use super::slots::SLOTS;
use wire::value::Value;

/// What the node said, if it should be told once more as the reason; what went wrong itself is on the screen, unless
/// [`How::is_told_by_caller`].
type Untold = Option<String>;
/// A move's result.
type Moved = Result<(), Untold>;

/// How to move.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct How {
    /// Keys only; the slot's state is the caller's business.
    pub is_cold: bool,
    /// Nothing is printed.
    pub is_quiet: bool,
    /// The caller prints what went wrong with the slot's state.
    pub is_told_by_caller: bool,
}

/// DEBUG DIGEST-VALUE of a key that does not exist.
const NO_DIGEST: &[u8] = b"0000000000000000000000000000000000000000";
/// A node without slots that follows another by now is told by its primary.
const ONLY_WITH_PRIMARIES: &str = "ERR Please use SETSLOT only with ";

/// Moves `slot` from `source` to `target`.
///
/// # Errors
/// What is left to tell.
pub fn move_slot(group: &mut Group, source: usize, target: usize, slot: u16, how: How) -> Moved {
    if !how.is_quiet {
        let (from, to) = (group.address(source), group.address(target));
        group.screen.put(format!("Moving slot {slot} from {from} to {to}: "));
    }
    let ids = [source, target].map(|at| group.nodes[at].line.id.clone());
    let [source_id, target_id] = ids.each_ref().map(String::as_str);
    if !how.is_cold {
        set_state(group, target, slot, &["IMPORTING", source_id], how)?;
        set_state(group, source, slot, &["MIGRATING", target_id], how)?;
    }
    let moved = migrate_keys(group, source, target, slot, !how.is_quiet);
    if !how.is_quiet {
        group.screen.put("\n");
    }
    moved?;
    if !how.is_cold {
        set_owner_everywhere(group, source, target, slot, how)?;
    }
    group.nodes[source].line.slots.remove(slot);
    group.nodes[target].line.slots.insert(slot);
    Ok(())
}

fn set_owner_everywhere(group: &mut Group, source: usize, target: usize, slot: u16, how: How) -> Moved {
    let target_id = group.nodes[target].line.id.clone();
    set_state(group, target, slot, &["NODE", &target_id], how)?;
    let others = group.primaries().into_iter().filter(|&at| at != target && at != source);
    for at in std::iter::once(source).chain(others.collect::<Vec<_>>()) {
        match group.set_slot(at, slot, &["NODE", &target_id]) {
            Ok(()) => {}
            // It has lost its last slot and follows somebody already.
            Err(Fault::Refused(text)) if text.starts_with(ONLY_WITH_PRIMARIES) => {}
            Err(fault) => return Err(told(group, at, fault, how)),
        }
    }
    Ok(())
}

fn set_state(group: &mut Group, at: usize, slot: u16, state: &[&str], how: How) -> Moved {
    group.set_slot(at, slot, state).map_err(|fault| told(group, at, fault, how))
}

fn told(group: &Group, at: usize, fault: Fault, how: How) -> Untold {
    if !how.is_told_by_caller {
        group.report(at, &fault);
    }
    Some(fault.text().to_string())
}

/// Moves all keys of `slot`, database by database.
fn migrate_keys(group: &mut Group, source: usize, target: usize, slot: u16, dots: bool) -> Moved {
    let databases = group.nodes[source].databases();
    for db in databases.map_err(|fault| told(group, source, fault, How::default()))? {
        if db == 0 {
            migrate_keys_of(group, source, target, slot, db, dots)?;
            continue;
        }
        // The target must have this database, too: where it has not, that is an error before anything moves.
        for at in [source, target] {
            group.nodes[at].select(db).map_err(|fault| told(group, at, fault, How::default()))?;
        }
        let moved = migrate_keys_of(group, source, target, slot, db, dots);
        for at in [source, target] {
            group.nodes[at].select(0).map_err(|fault| told(group, at, fault, How::default()))?;
        }
        moved?;
    }
    Ok(())
}

/// Moves the keys of `slot` in one database, a batch at a time, with a dot for each.
fn migrate_keys_of(group: &mut Group, source: usize, target: usize, slot: u16, db: u32, dots: bool) -> Moved {
    let pipeline = group.settings.pipeline.max(1).to_string();
    loop {
        let words = ["CLUSTER", "GETKEYSINSLOT", &slot.to_string(), &pipeline];
        let keys = match group.nodes[source].ask(&words) {
            Ok(Value::Array(keys)) => keys,
            Ok(_) => return Err(told(group, source, Fault::Odd, How::default())),
            Err(fault) => return Err(told(group, source, fault, How::default())),
        };
        let keys: Vec<Vec<u8>> = keys.iter().filter_map(|key| key.text().map(<[u8]>::to_vec)).collect();
        if keys.is_empty() {
            return Ok(());
        }
        let batch = Batch { db, keys };
        if let Err(fault) = migrate(group, source, target, &batch, false) {
            again(group, source, target, slot, &batch, fault)?;
        }
        if dots {
            group.screen.put(".".repeat(batch.keys.len()));
        }
    }
}

/// Keys that move together.
struct Batch {
    db: u32,
    keys: Vec<Vec<u8>>,
}

/// One MIGRATE.
fn migrate(
    group: &mut Group,
    source: usize,
    target: usize,
    batch: &Batch,
    replaces: bool,
) -> Result<(), Fault> {
    let line = &group.nodes[target].line;
    let (host, port, timeout) =
        (line.host.clone(), line.port.to_string(), group.settings.timeout_ms.to_string());
    let db = batch.db.to_string();
    let mut words: Vec<&[u8]> =
        vec![b"MIGRATE", host.as_bytes(), port.as_bytes(), b"", db.as_bytes(), timeout.as_bytes()];
    if replaces {
        words.push(b"REPLACE");
    }
    let login = group.login.clone();
    words.extend(login.for_migrate().iter().map(|word| word.as_bytes()));
    words.push(b"KEYS");
    words.extend(batch.keys.iter().map(Vec::as_slice));
    group.nodes[source].ask(&words).map(|_| ())
}

/// After a refusal: what can be repaired is, and the batch is sent once more.
fn again(group: &mut Group, source: usize, target: usize, slot: u16, batch: &Batch, fault: Fault) -> Moved {
    let is_busy = matches!(&fault, Fault::Refused(text) if text.contains("BUSYKEY"));
    let is_unserved = !is_busy && fault != Fault::Lost && is_without_owner(group, source, slot);
    if !is_busy && !is_unserved {
        return Err(not_migrated(group, source, fault));
    }
    if is_unserved && group.is_fix {
        let address = group.address(target);
        group.screen.warn(format!("*** Slot was not served, setting owner to node {address}."));
        let id = group.nodes[target].line.id.clone();
        // The second try tells whether that helped.
        let _ = group.set_slot_or_report(source, slot, &["NODE", &id]);
    }
    if is_busy {
        group.screen.warn("\n*** Target key exists");
        if !group.settings.replace {
            compare(group, source, target, &batch.keys).map_err(|Failed| None)?;
        }
        group.screen.warn("*** Replacing target keys...");
    }
    migrate(group, source, target, batch, is_busy).map_err(|fault| not_migrated(group, source, fault))
}

fn not_migrated(group: &Group, source: usize, fault: Fault) -> Untold {
    group.screen.put("\n");
    told(group, source, fault, How::default())
}

/// Does `at` know of no owner of the slot?
fn is_without_owner(group: &mut Group, at: usize, slot: u16) -> bool {
    match owner_seen_by(group, at, slot) {
        Ok(owner) => owner.is_none(),
        Err(fault) => {
            group.report(at, &fault);
            false
        }
    }
}

/// The owner of a slot as `at` sees it, if it is one of ours.
pub fn owner_seen_by(group: &mut Group, at: usize, slot: u16) -> Result<Option<usize>, Fault> {
    let view = group.nodes[at].view()?;
    let owner = view.iter().find(|line| line.slots.contains(slot));
    Ok(owner.and_then(|owner| group.by_id(&owner.id)))
}

/// Are keys that both nodes have the same? Those that are not are listed.
fn compare(group: &mut Group, source: usize, target: usize, keys: &[Vec<u8>]) -> Done {
    group.screen.warn("*** Checking key values on both nodes...");
    let mut words: Vec<&[u8]> = vec![b"DEBUG", b"DIGEST-VALUE"];
    words.extend(keys.iter().map(Vec::as_slice));
    let digests = [source, target].map(|at| group.ask(at, &words));
    let [Ok(Value::Array(ours)), Ok(Value::Array(theirs))] = digests else {
        group.screen.bad("*** Value check failed!");
        return Err(Failed);
    };
    let differs = |(ours, theirs): (&Value, &Value)| match (ours.text(), theirs.text()) {
        (Some(ours), Some(theirs)) => ours != theirs && ours != NO_DIGEST && theirs != NO_DIGEST,
        _ => true,
    };
    let pairs = keys.iter().zip(ours.iter().zip(&theirs));
    let different: Vec<&Vec<u8>> = pairs.filter(|(_, pair)| differs(*pair)).map(|(key, _)| key).collect();
    if different.is_empty() && ours.len() == keys.len() && theirs.len() == keys.len() {
        return Ok(());
    }
    group.screen.bad(format!(
        "*** Found {} key(s) in both source node and target node having different values.\n    \
         Source node: {}\n    Target node: {}\n    Keys(s):",
        different.len(),
        group.address(source),
        group.address(target)
    ));
    different.iter().for_each(|key| group.screen.bad(format!("    - {}", String::from_utf8_lossy(key))));
    group.screen.bad(
        "Please fix the above key(s) manually and try again or relaunch the command \n\
         with --cluster-replace option to force key overriding.",
    );
    Err(Failed)
}

/// Makes `at` the owner of a slot that nobody owns by right, in one transaction with a new epoch.
pub fn claim_slot(group: &mut Group, at: usize, slot: u16, is_closed_too: bool) -> Done {
    debug_assert!(slot < SLOTS);
    let text = slot.to_string();
    group.ask(at, &["MULTI"])?;
    let mut steps: Vec<Vec<&str>> = vec![vec!["DELSLOTS", &text], vec!["ADDSLOTS", &text]];
    if is_closed_too {
        steps.push(vec!["SETSLOT", &text, "STABLE"]);
    }
    steps.push(vec!["BUMPEPOCH"]);
    for step in &steps {
        let words: Vec<&str> = std::iter::once("CLUSTER").chain(step.iter().copied()).collect();
        if group.ask(at, &words).is_err() {
            // EXEC will refuse and says so.
            break;
        }
    }
    let Value::Array(answers) = group.ask(at, &["EXEC"])? else { return Err(Failed) };
    // Only ADDSLOTS must succeed: the slot may have had no owner before, and the epoch may be the highest already.
    match answers.get(1) {
        Some(Value::Error(text)) => {
            let text = String::from_utf8_lossy(text).into_owned();
            Err(group.failed(at, &Fault::Refused(text)))
        }
        Some(_) => Ok(()),
        None => Err(Failed),
    }
}

/// `at` no longer owns the slot; that it did not before is no error.
pub fn drop_slot(group: &mut Group, at: usize, slot: u16) -> Done {
    let refused = match group.nodes[at].ask(&["CLUSTER", "DELSLOTS", &slot.to_string()]) {
        Ok(_) => return Ok(()),
        Err(fault) => fault,
    };
    match owner_seen_by(group, at, slot) {
        Ok(None) => return Ok(()),
        Ok(Some(_)) => {}
        Err(fault) => group.report(at, &fault),
    }
    Err(group.failed(at, &refused))
}
