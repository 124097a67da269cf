//! Node: what is known of one node, the connection to it, and its lines on the screen.

use super::screen::Dialect;
use super::slots::SlotSet;
use super::view::{self, Line};
use super::words::info_field;
use crate::connection::{Address, Connection, Timeouts, reason};
use std::time::Duration;
use wire::value::Value;

/// A node that is gone without a word is given up after so long.
const CONNECT_LIMIT: Duration = Duration::from_secs(15);

/// User and password for all nodes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Login {
    /// `default` if not given.
    pub user: Option<String>,
    /// No password: no AUTH.
    pub password: Option<String>,
}

impl Login {
    /// The AUTH command, if there is a password.
    pub fn words(&self) -> Option<Vec<&str>> {
        let password = self.password.as_deref()?;
        Some(match self.user.as_deref() {
            Some(user) => vec!["AUTH", user, password],
            None => vec!["AUTH", password],
        })
    }

    /// What MIGRATE needs to log in at its target.
    pub fn for_migrate(&self) -> Vec<&str> {
        let Some(password) = self.password.as_deref() else { return Vec::new() };
        match self.user.as_deref() {
            Some(user) => vec!["AUTH2", user, password],
            None => vec!["AUTH", password],
        }
    }
}

/// Why a request has no good answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The node's error.
    Refused(String),
    /// There is no connection (any more).
    Lost,
    /// The answer is of a kind that this request never has.
    Odd,
}

impl Fault {
    /// The node's error; else what is said in its place.
    pub fn text(&self) -> &str {
        match self {
            Fault::Refused(text) => text,
            Fault::Lost => "the connection is lost",
            Fault::Odd => "the reply makes no sense",
        }
    }
}

/// One node of the cluster.
#[derive(Debug, Default)]
pub struct Node {
    /// Its own line of CLUSTER NODES; host and port are those under which it was reached.
    pub line: Line,
    /// Replicas that follow it.
    pub replicas: usize,
    /// It has a new place (slots or primary) that it does not know yet.
    pub is_changed: bool,
    /// Weight for rebalancing.
    pub weight: f32,
    connection: Option<Connection>,
}

impl Node {
    /// A node that is not connected yet.
    pub fn new(host: &str, port: u16) -> Node {
        let line = Line { host: host.into(), port, bus_port: port.saturating_add(10_000), ..Line::default() };
        Node { line, weight: 1.0, ..Node::default() }
    }

    /// `host:port`.
    pub fn address(&self) -> String {
        format!("{}:{}", self.line.host, self.line.port)
    }

    /// Does it follow another node, or will it?
    pub fn is_follower(&self) -> bool {
        self.line.is_replica() || self.line.primary.is_some()
    }

    /// Connects and logs in.
    ///
    /// # Errors
    /// `Err(Ok(text))`: no connection, the system's reason. `Err(Err(text))`: the node refused the password.
    pub fn connect(&mut self, login: &Login) -> Result<(), Result<String, String>> {
        let timeouts = Timeouts { connect: Some(CONNECT_LIMIT), io: None };
        let address = Address::tcp(&self.line.host, self.line.port);
        self.connection = Some(Connection::open(&address, timeouts).map_err(|error| Ok(reason(&error)))?);
        match login.words().map(|words| self.ask(&words)) {
            None | Some(Ok(_)) => Ok(()),
            Some(Err(fault)) => Err(Err(fault.text().to_string())),
        }
    }

    /// Sends one request. After a failure of the connection every later request is `Lost` at once.
    pub fn ask<W: AsRef<[u8]>>(&mut self, words: &[W]) -> Result<Value, Fault> {
        let connection = self.connection.as_mut().ok_or(Fault::Lost)?;
        let value = connection.command(words).map_err(|_| Fault::Lost);
        self.judge(value)
    }

    /// Sends many requests at once; the answers are in their order.
    pub fn ask_all(&mut self, requests: &[Vec<String>]) -> Result<Vec<Value>, Fault> {
        let connection = self.connection.as_mut().ok_or(Fault::Lost)?;
        let values = connection.pipeline(requests).map_err(|_| Fault::Lost);
        if values.is_err() {
            self.connection = None;
        }
        values?.into_iter().map(|value| self.judge(Ok(value))).collect()
    }

    /// As `ask_all`, in one of the node's databases.
    pub fn ask_all_in(&mut self, db: u32, requests: &[Vec<String>]) -> Result<Vec<Value>, Fault> {
        if db == 0 {
            return self.ask_all(requests);
        }
        let select = |db: u32| vec!["SELECT".to_string(), db.to_string()];
        let mut requests = requests.to_vec();
        requests.insert(0, select(db));
        requests.push(select(0));
        let mut answers = self.ask_all(&requests)?;
        answers.pop();
        answers.remove(0);
        Ok(answers)
    }

    /// The databases of a node that may have keys: number 0 and those that have some.
    pub fn databases(&mut self) -> Result<Vec<u32>, Fault> {
        let info = self.ask_text(&["INFO", "keyspace"])?;
        let listed = info.lines().filter_map(|line| line.strip_prefix("db")?.split_once(':')?.0.parse().ok());
        Ok(std::iter::once(0).chain(listed.filter(|db| *db > 0)).collect())
    }

    /// All later requests are about this database.
    pub fn select(&mut self, db: u32) -> Result<(), Fault> {
        self.ask(&["SELECT", &db.to_string()]).map(|_| ())
    }

    fn judge(&mut self, value: Result<Value, Fault>) -> Result<Value, Fault> {
        match value {
            Ok(Value::Error(text)) => Err(Fault::Refused(String::from_utf8_lossy(&text).into_owned())),
            Ok(value) => Ok(value),
            Err(fault) => {
                self.connection = None;
                Err(fault)
            }
        }
    }

    /// For replies that are text.
    pub fn ask_text<W: AsRef<[u8]>>(&mut self, words: &[W]) -> Result<String, Fault> {
        let value = self.ask(words)?;
        value.text().map(|text| String::from_utf8_lossy(text).into_owned()).ok_or(Fault::Odd)
    }

    /// For replies that are a number.
    pub fn ask_integer<W: AsRef<[u8]>>(&mut self, words: &[W]) -> Result<i64, Fault> {
        self.ask(words)?.integer().ok_or(Fault::Odd)
    }

    /// The connection, for what is no request and reply; it is not kept.
    pub fn take_connection(&mut self) -> Option<Connection> {
        self.connection.take()
    }

    /// Its view of the cluster.
    pub fn view(&mut self) -> Result<Vec<Line>, Fault> {
        view::parse(&self.ask_text(&["CLUSTER", "NODES"])?).map_err(|_| Fault::Odd)
    }

    /// Does it run in cluster mode?
    pub fn is_in_cluster_mode(&mut self) -> Result<bool, Fault> {
        let info = self.ask_text(&["INFO"])?;
        Ok(info_field(&info, "cluster_enabled").is_some_and(|enabled| enabled != 0))
    }

    /// Has it no keys in database 0, and knows no other node?
    pub fn is_blank(&mut self) -> Result<bool, Fault> {
        if self.ask_text(&["INFO"])?.contains("db0:") {
            return Ok(false);
        }
        let info = self.ask_text(&["CLUSTER", "INFO"])?;
        Ok(info_field(&info, "cluster_known_nodes") == Some(1))
    }

    /// Reads its own line; the other lines are the result.
    pub fn load(&mut self) -> Result<Vec<Line>, Fault> {
        let mut lines = self.view()?;
        let own = lines.iter().position(|line| line.has("myself")).ok_or(Fault::Odd)?;
        let own = lines.remove(own);
        // The address is the one that we reached it by.
        let (host, port) = (std::mem::take(&mut self.line.host), self.line.port);
        self.line = Line { host, port, ..own };
        self.is_changed = false;
        Ok(lines)
    }

    fn flags(&self) -> String {
        let flags: Vec<&str> =
            self.line.flags.iter().map(String::as_str).filter(|flag| *flag != "myself").collect();
        flags.join(",")
    }

    /// Two or three lines for the screen, without the last line end.
    pub fn info(&self, dialect: Dialect, indent: usize) -> String {
        let pad = " ".repeat(indent);
        let (id, address) = (&self.line.id, self.address());
        let role = if self.line.is_replica() { 'S' } else { 'M' };
        let slots = match dialect {
            Dialect::Cli => self.line.slots.bracketed(),
            Dialect::Trib => self.line.slots.plain(),
        };
        // redis-trib indents the first line only.
        let lower = if dialect == Dialect::Trib { "" } else { &pad };
        let mut text = match self.is_changed && self.line.primary.is_some() {
            true => format!("{pad}S: {id} {address}"),
            false => {
                let count = self.line.slots.count();
                format!(
                    "{pad}{role}: {id} {address}\n{lower}   slots:{slots} ({count} slots) {}",
                    self.flags()
                )
            }
        };
        match (&self.line.primary, self.replicas) {
            (Some(primary), _) => text.push_str(&format!("\n{lower}   replicates {primary}")),
            (None, 0) if dialect == Dialect::Cli || self.is_changed => {}
            (None, count) => text.push_str(&format!("\n{lower}   {count} additional replica(s)")),
        }
        text
    }

    /// Its entry in a backup's nodes.json.
    pub fn json(&self, errors: usize) -> String {
        let line = &self.line;
        let primary = line.primary.as_ref().map_or("null".into(), |primary| format!("\"{primary}\""));
        let mut text = format!(
            "  {{\n    \"name\": \"{}\",\n    \"host\": \"{}\",\n    \"port\": {},\n    \"replicate\": {primary},\n    \
             \"slots\": [{}],\n    \"slots_count\": {},\n    \"flags\": \"{}\",\n    \"current_epoch\": {}",
            line.id,
            line.host,
            line.port,
            line.slots.json(),
            line.slots.count(),
            self.flags(),
            line.epoch
        );
        if errors > 0 {
            text.push_str(&format!(",\n    \"cluster_errors\": {errors}"));
        }
        for (name, open) in [("migrating", &line.migrating), ("importing", &line.importing)] {
            let pairs: Vec<String> = open.iter().map(|(slot, id)| format!("\"{slot}\": \"{id}\"")).collect();
            if !pairs.is_empty() {
                text.push_str(&format!(",\n    \"{name}\": {{{}}}", pairs.join(",")));
            }
        }
        text.push_str("\n  }");
        text
    }
}

/// The slots that any of the nodes serves.
pub fn covered(nodes: &[Node]) -> SlotSet {
    let mut all = SlotSet::default();
    nodes.iter().for_each(|node| all.add_all(&node.line.slots));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node() -> Node {
        let mut node = Node::new("10.0.0.1", 7000);
        let text = "aa 10.0.0.1:7000@17000 myself,master - 0 0 3 connected 0-2 5 [5->-bb]\n";
        node.line = view::parse(text).unwrap().remove(0);
        node
    }

    #[test]
    fn a_primary_is_shown_with_its_slots() {
        let mut node = node();
        assert_eq!(node.info(Dialect::Cli, 0), "M: aa 10.0.0.1:7000\n   slots:[0-2],[5] (4 slots) master");
        node.replicas = 2;
        assert_eq!(
            node.info(Dialect::Cli, 4),
            "    M: aa 10.0.0.1:7000\n       slots:[0-2],[5] (4 slots) master\n       2 additional replica(s)"
        );
        assert_eq!(
            node.info(Dialect::Trib, 0),
            "M: aa 10.0.0.1:7000\n   slots:0-2,5 (4 slots) master\n   2 additional replica(s)"
        );
    }

    #[test]
    fn a_replica_to_be_is_shown_short() {
        let mut node = node();
        node.line.primary = Some("bb".into());
        node.is_changed = true;
        assert_eq!(node.info(Dialect::Cli, 0), "S: aa 10.0.0.1:7000\n   replicates bb");
    }

    #[test]
    fn json_has_what_is_open() {
        let text = node().json(1);
        assert!(text.contains("\"slots\": [[0,2],[5]],"), "{text}");
        assert!(
            text.ends_with(",\n    \"cluster_errors\": 1,\n    \"migrating\": {\"5\": \"bb\"}\n  }"),
            "{text}"
        );
    }
}
