//! What to do about a slot that is open: half-way between nodes, or with several owners.
//!
//! Facts in (who claims it, who has keys of it), a decision out. The order of the nodes is that of the cluster's list;
//! where several are equal the first one wins.

/// What one primary says about the slot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claim {
    /// The node's id.
    pub id: String,
    /// Does it count the slot as its own?
    pub owns: bool,
    /// Its keys in the slot.
    pub keys: i64,
    /// It gives the slot to the node with this id.
    pub migrating_to: Option<String>,
    /// It takes the slot.
    pub importing: bool,
}

/// The way out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Case {
    /// One gives, one takes: the move is completed.
    Complete {
        /// The node that gives.
        from: usize,
        /// The node that takes.
        to: usize,
    },
    /// Nobody gives, some have keys: all keys go to the owner.
    Gather {
        /// The nodes that may have keys.
        from: Vec<usize>,
    },
    /// One gives, several take and have nothing yet: the move to the one meant is completed, the others are closed.
    CompleteAndClose {
        /// The node that gives.
        from: usize,
        /// The node that it gives to.
        to: usize,
        /// The others that take.
        others: Vec<usize>,
    },
    /// One gives to a node that does not take, while others do: all are closed.
    Close {
        /// The node that gives.
        from: usize,
        /// Those that take.
        others: Vec<usize>,
    },
    /// One gives and nobody takes, and it owns the slot or has none of its keys: it is closed.
    CloseOne {
        /// The node that gives.
        from: usize,
    },
    /// No safe way is known.
    Stuck,
}

/// Findings and decision, in the order in which they are told and done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Nodes that have keys of the slot without owning it.
    pub holders: Vec<usize>,
    /// Nodes with keys that neither own, give nor take the slot; they are treated as taking it.
    pub strays: Vec<usize>,
    /// Those that give, as found.
    pub migrating: Vec<usize>,
    /// Those that take, as found, with the strays.
    pub importing: Vec<usize>,
    /// The owner; `None` only if there is no primary at all.
    pub owner: Option<usize>,
    /// The owner is none by right: it is the node with the most keys and must be made the owner first.
    pub is_chosen: bool,
    /// Other owners: each gives up the slot and takes it (to hand over its keys).
    pub rivals: Vec<usize>,
    /// Then this.
    pub case: Case,
}

/// Decides.
pub fn decide(claims: &[Claim]) -> Decision {
    let all = 0..claims.len();
    let holders: Vec<usize> = all.clone().filter(|&at| !claims[at].owns && claims[at].keys > 0).collect();
    let owners: Vec<usize> = all.clone().filter(|&at| claims[at].owns || claims[at].keys > 0).collect();
    let clear = if let [one] = owners.as_slice() { Some(*one) } else { None };
    let migrating: Vec<usize> = all.clone().filter(|&at| claims[at].migrating_to.is_some()).collect();
    let is_stray = |at: usize| {
        let claim = &claims[at];
        claim.migrating_to.is_none() && !claim.importing && Some(at) != clear && claim.keys > 0
    };
    let takes = |at: usize| claims[at].migrating_to.is_none() && claims[at].importing;
    let strays: Vec<usize> = all.clone().filter(|&at| is_stray(at)).collect();
    let importing: Vec<usize> = all.filter(|&at| takes(at) || is_stray(at)).collect();
    let owner = clear.or_else(|| most_keys(claims));

    let (mut gives, mut receives) = (migrating.clone(), importing.clone());
    if clear.is_none() {
        gives.retain(|&at| Some(at) != owner);
        receives.retain(|&at| Some(at) != owner);
    }
    let several = owners.len() > 1;
    let rivals: Vec<usize> = owners.into_iter().filter(|&at| several && Some(at) != owner).collect();
    for rival in &rivals {
        gives.retain(|at| at != rival);
        receives.retain(|at| at != rival);
        receives.push(*rival);
    }
    let case = case(claims, owner, &gives, &receives);
    Decision { holders, strays, migrating, importing, owner, is_chosen: clear.is_none(), rivals, case }
}

/// The first node with the most keys of the slot.
pub fn most_keys(claims: &[Claim]) -> Option<usize> {
    let most = claims.iter().map(|claim| claim.keys).max()?;
    claims.iter().position(|claim| claim.keys == most)
}

fn case(claims: &[Claim], owner: Option<usize>, gives: &[usize], receives: &[usize]) -> Case {
    match (gives, receives) {
        ([from], [to]) => Case::Complete { from: *from, to: *to },
        ([], [_, ..]) => {
            Case::Gather { from: receives.iter().copied().filter(|&at| Some(at) != owner).collect() }
        }
        ([from], [_, _, ..]) => {
            if receives.iter().any(|&at| claims[at].keys > 0) {
                return Case::Stuck;
            }
            let meant = claims[*from].migrating_to.as_deref();
            match receives.iter().copied().find(|&at| Some(claims[at].id.as_str()) == meant) {
                Some(to) => {
                    let others = receives.iter().copied().filter(|&at| at != to).collect();
                    Case::CompleteAndClose { from: *from, to, others }
                }
                None => Case::Close { from: *from, others: receives.to_vec() },
            }
        }
        ([from], []) if owner == Some(*from) || claims[*from].keys == 0 => Case::CloseOne { from: *from },
        _ => Case::Stuck,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(id: &str, text: &str, keys: i64) -> Claim {
        let to = text.split(' ').find_map(|word| word.strip_prefix("to=")).map(String::from);
        Claim {
            id: id.into(),
            owns: text.contains("owns"),
            keys,
            migrating_to: to,
            importing: text.contains("takes"),
        }
    }

    #[test]
    fn an_interrupted_move_is_completed() {
        let made = decide(&[claim("a", "owns to=b", 0), claim("b", "takes", 0), claim("c", "", 0)]);
        assert_eq!((made.owner, made.is_chosen), (Some(0), false));
        assert_eq!(made.case, Case::Complete { from: 0, to: 1 });
    }

    #[test]
    fn a_half_done_move_has_no_clear_owner() {
        // The taking node has keys already: it may as well be the owner. The one with more keys is.
        let made = decide(&[claim("a", "owns to=b", 5), claim("b", "takes", 7)]);
        assert_eq!((made.owner, made.is_chosen, made.rivals.clone()), (Some(1), true, vec![0]));
        assert_eq!(made.case, Case::Gather { from: vec![0] });
        assert_eq!((made.migrating, made.importing, made.holders), (vec![0], vec![1], vec![1]));
    }

    #[test]
    fn keys_in_a_stray_node_go_to_the_owner() {
        let made = decide(&[claim("a", "owns", 9), claim("b", "takes", 0), claim("c", "", 2)]);
        assert_eq!((made.owner, made.is_chosen), (Some(0), true));
        assert_eq!(made.strays, [0, 2]);
        assert_eq!(made.case, Case::Gather { from: vec![1, 2] });
    }

    #[test]
    fn only_the_meant_node_takes() {
        let nodes = [claim("a", "owns to=c", 4), claim("b", "takes", 0), claim("c", "takes", 0)];
        assert_eq!(decide(&nodes).case, Case::CompleteAndClose { from: 0, to: 2, others: vec![1] });
        let nodes = [claim("a", "owns to=x", 4), claim("b", "takes", 0), claim("c", "takes", 0)];
        assert_eq!(decide(&nodes).case, Case::Close { from: 0, others: vec![1, 2] });
    }

    #[test]
    fn a_slot_that_nobody_takes_is_closed() {
        let made = decide(&[claim("a", "owns to=b", 4), claim("b", "", 0)]);
        assert_eq!(made.case, Case::CloseOne { from: 0 });
    }

    #[test]
    fn owners_become_one() {
        let made = decide(&[claim("a", "owns", 1), claim("b", "owns to=a", 3), claim("c", "owns", 0)]);
        assert_eq!((made.owner, made.rivals.clone()), (Some(1), vec![0, 2]));
        assert_eq!(made.case, Case::Gather { from: vec![0, 2] });
        assert_eq!(decide(&[]).owner, None);
    }
}
