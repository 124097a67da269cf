//! View: which primaries there are and what each says of its own slots.

use crate::Failure;
use crate::target::Login;
use cli::Connection;
use cli::cluster::slots::SlotSet;
use cli::cluster::view::{Line, parse};
use cli::connection::{Address, reason};

/// One primary, or the node alone.
#[derive(Clone, Debug, PartialEq)]
pub struct Place {
    /// Its id in the cluster, else its run id.
    pub id: String,
    /// Where it listens.
    pub address: Address,
    /// Its slots, by its own word.
    pub slots: SlotSet,
    /// The epoch of its slots.
    pub epoch: u64,
    /// Slots that come or go.
    pub moving: usize,
}

/// What there is.
#[derive(Clone, Debug, PartialEq)]
pub struct Places {
    /// Slots count.
    pub is_cluster: bool,
    /// In the order of their addresses.
    pub list: Vec<Place>,
}

/// Looks at the node, and in a cluster at each primary.
pub fn places(address: &Address, login: &Login) -> Result<Places, Failure> {
    let mut connection = login.open(address)?;
    let server = info(&mut connection, address, "server")?;
    let is_cluster = info(&mut connection, address, "cluster")?.contains("cluster_enabled:1");
    if !is_cluster {
        let id = server.lines().find_map(|line| line.strip_prefix("run_id:")).unwrap_or_default().to_string();
        let place = Place { id, address: address.clone(), slots: SlotSet::default(), epoch: 0, moving: 0 };
        return Ok(Places { is_cluster, list: vec![place] });
    }
    let mut list = Vec::new();
    for line in nodes(&mut connection, address)? {
        if !line.has("master") || line.has("fail") || line.has("noaddr") || line.has("handshake") {
            if line.has("master") && !line.slots.is_empty() {
                return Err(format!(
                    "primary {} of slots {} can not be reached",
                    line.address,
                    line.slots.plain()
                ));
            }
            continue;
        }
        let place = match (line.host.as_str(), address) {
            ("", _) => address.clone(),
            (host, _) => Address::tcp(host, line.port),
        };
        let mut own = login.open(&place)?;
        let lines = nodes(&mut own, &place)?;
        let Some(own) = lines.into_iter().find(|line| line.has("myself")) else {
            return Err(format!("{place}: CLUSTER NODES names no node as its own"));
        };
        if own.is_replica() {
            return Err(format!("{place} has become a replica meanwhile"));
        }
        let moving = own.migrating.len() + own.importing.len();
        list.push(Place { id: own.id, address: place, slots: own.slots, epoch: own.epoch, moving });
    }
    list.retain(|place| !place.slots.is_empty());
    list.sort_by_key(|place| place.address.to_string());
    Ok(Places { is_cluster, list })
}

impl Places {
    /// Why this cluster can not be copied just now.
    pub fn unrest(&self) -> Option<String> {
        if !self.is_cluster {
            return None;
        }
        if let Some(place) = self.list.iter().find(|place| place.moving > 0) {
            return Some(format!("{} slots of {} are on the move", place.moving, place.address));
        }
        let mut seen = SlotSet::default();
        for place in &self.list {
            if let Some(slot) = place.slots.iter().find(|slot| seen.contains(*slot)) {
                return Some(format!("slot {slot} has two owners"));
            }
            seen.add_all(&place.slots);
        }
        seen.missing().next().map(|slot| format!("slot {slot} has no owner"))
    }
}

fn info(connection: &mut Connection, address: &Address, section: &str) -> Result<String, Failure> {
    connection.text(&["INFO", section]).map_err(|error| format!("{address}: {}", reason(&error)))
}

fn nodes(connection: &mut Connection, address: &Address) -> Result<Vec<Line>, Failure> {
    let text =
        connection.text(&["CLUSTER", "NODES"]).map_err(|error| format!("{address}: {}", reason(&error)))?;
    parse(&text).map_err(|_| format!("{address}: CLUSTER NODES can not be read"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(port: u16, slots: std::ops::Range<u16>, moving: usize) -> Place {
        let mut set = SlotSet::default();
        slots.for_each(|slot| set.insert(slot));
        Place { id: port.to_string(), address: Address::tcp("a", port), slots: set, epoch: 1, moving }
    }

    #[test]
    fn a_cluster_at_rest_has_one_owner_for_each_slot() {
        let unrest = |list: Vec<Place>| Places { is_cluster: true, list }.unrest();
        assert_eq!(unrest(vec![place(1, 0..8000, 0), place(2, 8000..16384, 0)]), None);
        let text = unrest(vec![place(1, 0..8000, 0), place(2, 8000..16384, 1)]).unwrap();
        assert!(text.contains("on the move"), "{text}");
        let text = unrest(vec![place(1, 0..8001, 0), place(2, 8000..16384, 0)]).unwrap();
        assert!(text.contains("slot 8000 has two owners"), "{text}");
        let text = unrest(vec![place(1, 0..8000, 0), place(2, 8001..16384, 0)]).unwrap();
        assert!(text.contains("slot 8000 has no owner"), "{text}");
    }
}
