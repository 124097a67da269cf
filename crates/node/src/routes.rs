//! Routes: the cluster's view, written into the engine's flat table.

use crate::node::Node;
use alloc::format;
use alloc::string::String;
use cluster::{Cluster, Endpoint, NodeIndex, Role, SLOTS, Serving};
use engine::{MYSELF, NOBODY, RouteNode, Routes, Slot};
use machine::Outbox;

impl Node {
    /// Takes the cluster's view over. No request runs between the input that changed the view and this.
    pub(crate) fn take_routes(&mut self, out: &mut Outbox) {
        let Some(cluster) = &self.rest.cluster else { return };
        let reads_when_down = crate::settings::reads_when_down(&self.engine.shared.config);
        let shared = &mut self.engine.shared;
        let serving = cluster.serving();
        shared.standing.is_apart = serving == Serving::Probation;
        write(cluster, &mut shared.routes);
        shared.routes.ok = serving == Serving::Ok;
        shared.routes.reads_when_down = reads_when_down;
        shared.routes.pubsub_when_down = crate::settings::pubsub_when_down(&shared.config);
        self.engine.on_routes(out);
    }
}

fn write(cluster: &Cluster, routes: &mut Routes) {
    let myself = cluster.my_index();
    let place = |routes: &mut Routes, node: NodeIndex| {
        if node == myself {
            return MYSELF;
        }
        match cluster.endpoint(node) {
            Some(endpoint) => routes.node(endpoint.id, &text(&endpoint)),
            None => NOBODY,
        }
    };
    routes.nodes.clear();
    let own = cluster.endpoint(myself).map(|endpoint| text(&endpoint)).unwrap_or_default();
    routes.nodes.push(RouteNode { id: cluster.my_id(), endpoint: own });
    routes.primary = match cluster.role() {
        Role::Primary => NOBODY,
        Role::Replica(_) => {
            let primary = cluster.primary_of(myself);
            place(routes, primary)
        }
    };
    // Neighbouring slots have one owner: each run asks for it once.
    let mut last = (None, NOBODY);
    for slot in 0..SLOTS as u16 {
        let owner = cluster.owner(slot);
        if owner != last.0 || slot == 0 {
            last = (owner, owner.map_or(NOBODY, |node| place(routes, node)));
        }
        routes.set_slot(slot, Slot { owner: last.1, ..Slot::FREE });
    }
    for (slot, to) in cluster.migrating() {
        let to = place(routes, to);
        routes.set_slot(slot, Slot { migrating_to: to, ..routes.slot(slot) });
    }
    for (slot, from) in cluster.importing() {
        let from = place(routes, from);
        routes.set_slot(slot, Slot { importing_from: from, ..routes.slot(slot) });
    }
}

/// `host:port` as MOVED says it; an unknown host is left out, as in the original.
fn text(endpoint: &Endpoint) -> String {
    format!("{}:{}", endpoint.host, endpoint.port)
}
