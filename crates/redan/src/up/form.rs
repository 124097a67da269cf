//! Forming the cluster: from what the nodes say of themselves to the next commands that are missing.
//!
//! `next_steps` is a pure function of the nodes' own views. It is asked again and again until it has nothing
//! to say; so a formation that was cut short goes on where it stopped, and a formed cluster is left alone.

use std::collections::{BTreeMap, BTreeSet};

/// Hash slots in a cluster.
pub const SLOTS: u16 = 16_384;

/// One node's view of the cluster, as its CLUSTER NODES says it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct View {
    /// The node's own id.
    pub id: String,
    /// All nodes that it knows, itself included, by id.
    pub nodes: BTreeMap<String, Known>,
}

/// What a view says of one node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// The client port.
    pub port: u16,
    /// The id of its primary, for a replica.
    pub primary: Option<String>,
    /// Slot ranges that it owns, ends included.
    pub slots: Vec<(u16, u16)>,
    /// Failed, or suspected to have.
    pub is_failing: bool,
}

impl Known {
    /// How many slots it owns.
    pub fn slot_count(&self) -> u32 {
        self.slots.iter().map(|(first, last)| u32::from(last - first) + 1).sum()
    }
}

impl View {
    /// Reads the text of CLUSTER NODES. Nodes in handshake are left out.
    pub fn parse(text: &str) -> Option<View> {
        let mut view = View::default();
        for line in text.lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            let [id, address, flags, primary, _ping, _pong, _epoch, _link, slots @ ..] = words.as_slice()
            else {
                return None;
            };
            if flags.contains("handshake") || flags.contains("noaddr") {
                continue;
            }
            if flags.contains("myself") {
                view.id = (*id).to_string();
            }
            let endpoint = address.split(['@', ',']).next()?;
            let known = Known {
                port: endpoint.rsplit(':').next()?.parse().ok()?,
                primary: (*primary != "-").then(|| (*primary).to_string()),
                slots: slots.iter().filter_map(|word| range(word)).collect(),
                is_failing: flags.contains("fail"),
            };
            view.nodes.insert((*id).to_string(), known);
        }
        (!view.id.is_empty()).then_some(view)
    }

    /// The node itself.
    pub fn own(&self) -> &Known {
        &self.nodes[&self.id]
    }
}

/// Reads `5` or `0-5460`; a slot on the move (`[...]`) is none.
fn range(word: &str) -> Option<(u16, u16)> {
    let (first, last) = word.split_once('-').unwrap_or((word, word));
    let (first, last) = (first.parse().ok()?, last.parse().ok()?);
    (first <= last && last < SLOTS).then_some((first, last))
}

/// A command for one node (by its place in the set-up).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The node's place.
    pub node: usize,
    /// The command's words.
    pub words: Vec<String>,
}

fn step(node: usize, words: &[&str]) -> Step {
    Step { node, words: words.iter().map(|word| (*word).to_string()).collect() }
}

/// What is still missing, given every node's view; empty when the cluster is formed.
///
/// `hosts` are the addresses by which the nodes reach each other.
pub fn next_steps(views: &[View], primaries: usize, host: &str) -> Vec<Step> {
    let mut steps = slots_to_assign(views, primaries);
    let first = &views[0];
    for view in views.iter().skip(1).filter(|view| !first.nodes.contains_key(&view.id)) {
        steps.push(step(0, &["CLUSTER", "MEET", host, &view.own().port.to_string()]));
    }
    if steps.is_empty() {
        steps = replicas_to_attach(views, primaries);
    }
    steps
}

/// True when every node knows every other, all slots have one owner and nobody is idle.
pub fn is_formed(views: &[View], primaries: usize, host: &str) -> bool {
    let knows_all = |view: &View| views.iter().all(|other| view.nodes.contains_key(&other.id));
    views.iter().all(knows_all) && next_steps(views, primaries, host).is_empty()
}

fn slots_to_assign(views: &[View], primaries: usize) -> Vec<Step> {
    let mut is_owned = vec![false; usize::from(SLOTS)];
    for known in views.iter().flat_map(|view| view.nodes.values()) {
        for &(first, last) in &known.slots {
            is_owned[usize::from(first)..=usize::from(last)].fill(true);
        }
    }
    let is_new = !is_owned.contains(&true);
    let mut steps = Vec::new();
    for (place, view) in views.iter().enumerate().take(primaries) {
        if view.own().primary.is_some() {
            continue;
        }
        let (first, last) = share(place, primaries);
        let missing: Vec<String> = runs(&is_owned, first, last);
        if missing.is_empty() {
            continue;
        }
        if is_new {
            steps.push(step(place, &["CLUSTER", "SET-CONFIG-EPOCH", &(place + 1).to_string()]));
        }
        let mut words = vec!["CLUSTER".to_string(), "ADDSLOTSRANGE".to_string()];
        words.extend(missing);
        steps.push(Step { node: place, words });
    }
    steps
}

/// The slots of primary number `place` of `primaries`, as the originals' tool cuts them.
fn share(place: usize, primaries: usize) -> (u16, u16) {
    let cut = |at: usize| ((at * usize::from(SLOTS)) as f64 / primaries as f64).round() as u16;
    (cut(place), cut(place + 1) - 1)
}

/// First and last slot of each run in `first..=last` that nobody owns, one after the other.
fn runs(is_owned: &[bool], first: u16, last: u16) -> Vec<String> {
    let mut words = Vec::new();
    let mut start = None;
    for slot in first..=last {
        match (is_owned[usize::from(slot)], start) {
            (false, None) => start = Some(slot),
            (true, Some(from)) => {
                words.extend([u16::to_string(&from), (slot - 1).to_string()]);
                start = None;
            }
            (true, None) | (false, Some(_)) => {}
        }
    }
    if let Some(from) = start {
        words.extend([from.to_string(), last.to_string()]);
    }
    words
}

fn replicas_to_attach(views: &[View], primaries: usize) -> Vec<Step> {
    let mut replicas: BTreeMap<&str, usize> = BTreeMap::new();
    for view in views {
        match &view.own().primary {
            Some(primary) => *replicas.entry(primary).or_default() += 1,
            None if view.own().slot_count() > 0 => _ = replicas.entry(&view.id).or_default(),
            None => {}
        }
    }
    let mut steps = Vec::new();
    for (place, view) in views.iter().enumerate() {
        let is_idle = view.own().primary.is_none() && view.own().slot_count() == 0;
        if !is_idle {
            continue;
        }
        // In a new set-up node P+k follows node k; otherwise the primary with the fewest replicas is served first.
        let by_place = views.get(place % primaries).map(|view| view.id.as_str());
        let fewest = replicas.values().min().copied();
        let choice = by_place
            .filter(|id| replicas.get(id).copied() == fewest)
            .or_else(|| replicas.iter().min_by_key(|(_, count)| **count).map(|(id, _)| *id));
        let Some(primary) = choice else { continue };
        if view.nodes.contains_key(primary) {
            steps.push(step(place, &["CLUSTER", "REPLICATE", primary]));
        } else {
            // It has not heard of its primary yet: gossip brings it, and until then the set-up is not formed.
            steps.push(step(place, &["PING"]));
        }
        *replicas.entry(primary).or_default() += 1;
    }
    steps
}

/// The ids that two of `views` give to one node's place: none, unless a folder was copied.
pub fn doubled_ids(views: &[View]) -> BTreeSet<&str> {
    let mut seen = BTreeSet::new();
    views.iter().filter(|view| !seen.insert(view.id.as_str())).map(|view| view.id.as_str()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fresh(count: u16) -> Vec<View> {
        (0..count)
            .map(|place| {
                let id = format!("id{place}");
                let known = Known { port: 7001 + place, ..Known::default() };
                View { id: id.clone(), nodes: BTreeMap::from([(id, known)]) }
            })
            .collect()
    }

    /// Carries the steps out as a perfect cluster would: everybody knows everybody at once.
    fn carry_out(views: &mut [View], steps: &[Step]) {
        let ids: Vec<String> = views.iter().map(|view| view.id.clone()).collect();
        for Step { node, words } in steps {
            let mut own = views[*node].own().clone();
            match words[1..].first().map(String::as_str) {
                Some("ADDSLOTSRANGE") => own.slots.extend(
                    words[2..].chunks(2).map(|pair| (pair[0].parse().unwrap(), pair[1].parse().unwrap())),
                ),
                Some("REPLICATE") => own.primary = Some(words[2].clone()),
                _ => {}
            }
            for view in views.iter_mut() {
                view.nodes.insert(ids[*node].clone(), own.clone());
            }
        }
        let all: BTreeMap<String, Known> =
            views.iter().map(|view| (view.id.clone(), view.own().clone())).collect();
        for view in views {
            view.nodes = all.clone();
        }
    }

    #[test]
    fn six_new_nodes_become_a_cluster() {
        let mut views = fresh(6);
        for _ in 0..4 {
            let steps = next_steps(&views, 3, "127.0.0.1");
            carry_out(&mut views, &steps);
        }
        assert!(is_formed(&views, 3, "127.0.0.1"));
        assert_eq!(views[0].own().slots, [(0, 5460)]);
        assert_eq!(views[1].own().slots, [(5461, 10922)]);
        assert_eq!(views[2].own().slots, [(10923, 16383)]);
        assert_eq!(views[5].own().primary.as_deref(), Some("id2"));
    }

    #[test]
    fn a_formed_cluster_with_swapped_roles_is_left_alone() {
        let mut views = fresh(6);
        for _ in 0..4 {
            let steps = next_steps(&views, 3, "127.0.0.1");
            carry_out(&mut views, &steps);
        }
        for view in &mut views {
            let slots = std::mem::take(&mut view.nodes.get_mut("id0").unwrap().slots);
            view.nodes.get_mut("id0").unwrap().primary = Some("id3".into());
            let heir = view.nodes.get_mut("id3").unwrap();
            (heir.slots, heir.primary) = (slots, None);
        }
        assert!(is_formed(&views, 3, "127.0.0.1"));
    }

    #[test]
    fn a_half_formed_cluster_is_completed() {
        let mut views = fresh(6);
        let steps = next_steps(&views, 3, "127.0.0.1");
        carry_out(&mut views, &steps[..2]);
        for _ in 0..4 {
            let steps = next_steps(&views, 3, "127.0.0.1");
            carry_out(&mut views, &steps);
        }
        assert!(is_formed(&views, 3, "127.0.0.1"));
    }

    #[test]
    fn cluster_nodes_is_read() {
        let view = View::parse(
            "a1 127.0.0.1:7001@17001 myself,master - 0 0 1 connected 0-100 200 [5->-b]\n\
             b2 127.0.0.1:7002@17002 slave,fail? a1 0 1 1 connected\n\
             c3 127.0.0.1:7003@17003 handshake - 0 0 0 disconnected\n",
        )
        .unwrap();
        assert_eq!(view.own().slots, [(0, 100), (200, 200)]);
        assert_eq!(view.own().slot_count(), 102);
        assert!(view.nodes["b2"].is_failing);
        assert_eq!(view.nodes.len(), 2);
        assert_eq!(View::parse("nonsense"), None);
    }
}
