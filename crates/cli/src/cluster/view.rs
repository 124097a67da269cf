//! View: CLUSTER NODES as values. One node's answer is a list of lines; the line `myself` is its own.
//!
//! Pure. What does not parse is an error, never a panic: the answer comes from outside.

use super::slots::{SLOTS, SlotSet};
use super::words::{address, number};

/// One line of CLUSTER NODES.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Line {
    /// The node's id, 40 hex digits.
    pub id: String,
    /// The address as it stands there: `ip:port@bus[,hostname]`.
    pub address: String,
    /// Its host; empty while unknown.
    pub host: String,
    /// Its port for clients.
    pub port: u16,
    /// Its port of the bus, 0 if not told.
    pub bus_port: u16,
    /// `master`, `slave`, `myself`, `fail?`, ...
    pub flags: Vec<String>,
    /// A replica's primary.
    pub primary: Option<String>,
    /// The epoch of its slots.
    pub epoch: u64,
    /// Does the asked node have a link to it?
    pub connected: bool,
    /// The slots that it serves.
    pub slots: SlotSet,
    /// Slots on their way out, and where to. Only a node's own line has them.
    pub migrating: Vec<(u16, String)>,
    /// Slots on their way in, and where from.
    pub importing: Vec<(u16, String)>,
}

impl Line {
    /// Does it have this flag?
    pub fn has(&self, flag: &str) -> bool {
        self.flags.iter().any(|own| own == flag)
    }

    /// Is it a replica?
    pub fn is_replica(&self) -> bool {
        self.has("slave")
    }

    /// Nobody can ask it now.
    pub fn is_away(&self) -> bool {
        self.has("noaddr") || self.has("disconnected") || self.has("fail")
    }
}

/// The answer is not that of CLUSTER NODES.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadNodes;

/// All lines of an answer.
pub fn parse(text: &str) -> Result<Vec<Line>, BadNodes> {
    text.lines().filter(|line| !line.is_empty()).map(line).collect()
}

fn line(text: &str) -> Result<Line, BadNodes> {
    let fields: Vec<&str> = text.split(' ').collect();
    let [id, at, flags, primary, _ping, _pong, epoch, link, slots @ ..] = fields.as_slice() else {
        return Err(BadNodes);
    };
    let (host, port, bus_port) = address(at).ok_or(BadNodes)?;
    let mut line = Line {
        id: (*id).into(),
        address: (*at).into(),
        host,
        port,
        bus_port,
        flags: flags.split(',').map(String::from).collect(),
        epoch: u64::try_from(number(epoch)).unwrap_or(0),
        connected: *link == "connected",
        ..Line::default()
    };
    line.primary = line.is_replica().then(|| (*primary).into());
    for word in slots {
        slot_word(&mut line, word)?;
    }
    Ok(line)
}

/// `5`, `0-5460`, `[5->-id]` or `[5-<-id]`.
fn slot_word(line: &mut Line, word: &str) -> Result<(), BadNodes> {
    let slot = |text: &str| match text.parse() {
        Ok(slot) if slot < SLOTS => Ok(slot),
        _ => Err(BadNodes),
    };
    if let Some(open) = word.strip_prefix('[') {
        let open = open.strip_suffix(']').unwrap_or(open);
        if let Some((number, to)) = open.split_once("->-") {
            line.migrating.push((slot(number)?, to.into()));
        } else if let Some((number, from)) = open.split_once("-<-") {
            line.importing.push((slot(number)?, from.into()));
        }
        return Ok(());
    }
    let (first, last) = word.split_once('-').unwrap_or((word, word));
    if !word.is_empty() {
        (slot(first)?..=slot(last)?).for_each(|slot| line.slots.insert(slot));
    }
    Ok(())
}

/// What nodes must agree about: who has which slots. `None` when nobody has any.
pub fn signature(lines: &[Line]) -> Option<String> {
    let owners = lines.iter().filter(|line| !line.slots.is_empty());
    let mut parts: Vec<String> = owners.map(|line| format!("{}:{}", line.id, line.slots.plain())).collect();
    parts.sort();
    (!parts.is_empty()).then(|| parts.join("|"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NODES: &str = "\
        aa 10.0.0.1:7000@17000,host-a myself,master - 0 0 3 connected 0-2 5 [5->-bb] [9-<-bb]\n\
        bb 10.0.0.2:7001@17001 slave,fail? aa 0 1426238317239 4 disconnected\n";

    #[test]
    fn a_line_is_read_whole() {
        let lines = parse(NODES).unwrap();
        let own = &lines[0];
        assert_eq!(
            (own.id.as_str(), own.host.as_str(), own.port, own.bus_port),
            ("aa", "10.0.0.1", 7000, 17000)
        );
        assert_eq!(own.slots.bracketed(), "[0-2],[5]");
        assert_eq!((&own.migrating, &own.importing), (&vec![(5, "bb".into())], &vec![(9, "bb".into())]));
        assert_eq!((own.epoch, own.connected, own.primary.as_deref()), (3, true, None));
        let other = &lines[1];
        assert_eq!((other.primary.as_deref(), other.connected, other.is_away()), (Some("aa"), false, false));
    }

    #[test]
    fn what_is_no_answer_is_refused() {
        for text in [
            "x\n",
            "a b c\n",
            "aa nowhere master - 0 0 0 connected\n",
            "aa h:1@2 master - 0 0 0 connected 99999\n",
        ] {
            assert_eq!(parse(text), Err(BadNodes), "{text}");
        }
        assert_eq!(parse(""), Ok(vec![]));
    }

    #[test]
    fn open_slots_are_no_part_of_the_signature() {
        let closed = NODES.replace(" [5->-bb] [9-<-bb]", "");
        assert_eq!(signature(&parse(NODES).unwrap()), signature(&parse(&closed).unwrap()));
        assert_eq!(signature(&parse(NODES).unwrap()).as_deref(), Some("aa:0-2,5"));
        assert_eq!(signature(&[]), None);
    }
}
