//! Asks: what the host is asked on behalf of a client, which waits for the answer.
//!
//! ```text
//!   CONFIG SET dir, port, ...   Apply --accepted--> OK
//!                                     --refused---> every value of that request is put back, and the error
//!   CONFIG REWRITE              ReadConfig --> the new content --> WriteConfig --> OK
//! ```
//!
//! The host answers before anything else of the next turn, so no request sees a value that the host then refuses,
//! but for those of the same turn: a transaction runs whole, and its reply waits.

use crate::node::Node;
use crate::outside::Rest;
use crate::settings;
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use base::Now;
use engine::{Answer, Asked};
use machine::{ConnId, HostQuestion, HostRefusal, HostSetting, Level, Outbox, Output};
use spec::config::{Extent, SetError};
use spec::directive::id;
use spec::{Config, DirectiveId};
use wire::reply::Reply;

/// Questions that wait for their answers.
#[derive(Default)]
pub(crate) struct Asks {
    waiting: BTreeMap<u64, Ask>,
    last: u64,
}

/// One question: what happens with its answer, and which client waits.
struct Ask {
    conn: ConnId,
    /// Its transaction waits for the answer of this number.
    within: Option<u64>,
    about: About,
}

enum About {
    /// A CONFIG SET.
    Set {
        /// The directive of each setting that the host was given.
        asked: Vec<DirectiveId>,
        /// All that the request changed.
        changed: Vec<DirectiveId>,
        /// The values before it.
        before: Box<Config>,
    },
    /// The old content of the configuration file.
    OldFile(Extent),
    /// The new content is written.
    NewFile,
    /// A number among the allocator's controls.
    AllocatorNumber,
    /// A text among them.
    AllocatorText,
}

/// What a client reads where it is more than OK.
enum Found {
    Number(i64),
    Text(Vec<u8>),
}

impl Asks {
    fn put(&mut self, ask: Ask, question: HostQuestion, out: &mut Outbox) {
        self.last += 1;
        self.waiting.insert(self.last, ask);
        out.put(Output::Ask { ask: self.last, question });
    }

    /// A client asks; within a transaction it does not wait by itself.
    fn ask(&mut self, asked: &mut Asked<'_>, about: About, question: HostQuestion, may_wait: bool) -> Answer {
        let within = (!may_wait).then_some(self.last + 1);
        self.put(Ask { conn: asked.conn, within, about }, question, asked.out);
        within.map_or(Answer::Block, Answer::Later)
    }
}

impl Rest {
    pub(crate) fn on_config_changed(
        &mut self,
        asked: &mut Asked<'_>,
        changed: &[DirectiveId],
        before: &Config,
        may_wait: bool,
    ) -> Answer {
        self.settings_changed = true;
        let config = &asked.shared.config;
        if changed.contains(&id::PROC_TITLE_TEMPLATE) {
            let title = settings::title(config, &self.identity.called_as, &self.identity.config_file);
            asked.out.put(Output::Host(HostSetting::Title(title)));
        }
        if !may_wait && changed.contains(&id::APPENDONLY) && config.yes(id::APPENDONLY) {
            // The words of the originals: the rewrite begins behind the transaction.
            asked.out.log(
                Level::Warning,
                "AOF was enabled but there is already another background operation. An AOF background was \
                 scheduled to start when possible.",
            );
        }
        let wanted = settings::refusable(config, changed, asked.shared.standing.is_replica);
        if wanted.is_empty() {
            return Answer::Yield;
        }
        let (ids, settings) = wanted.into_iter().unzip();
        let about = About::Set { asked: ids, changed: changed.into(), before: Box::new(before.clone()) };
        self.asks.ask(asked, about, HostQuestion::Apply(settings), may_wait)
    }

    pub(crate) fn on_allocator(
        &mut self,
        asked: &mut Asked<'_>,
        name: &[u8],
        value: Option<&[u8]>,
        is_text: bool,
    ) -> Answer {
        let name = name.into();
        let (about, question) = if is_text {
            let value = value.map(Vec::from);
            (About::AllocatorText, HostQuestion::AllocatorText { name, value })
        } else {
            let value = value.and_then(base::number::parse_i64);
            (About::AllocatorNumber, HostQuestion::AllocatorNumber { name, value })
        };
        self.asks.ask(asked, about, question, true)
    }

    pub(crate) fn on_config_rewrite(
        &mut self,
        asked: &mut Asked<'_>,
        extent: Extent,
        may_wait: bool,
        reply: &mut Reply<'_>,
    ) -> Answer {
        if self.identity.config_file.is_empty() {
            reply.error("ERR The server is running without a config file");
            return Answer::Done;
        }
        self.asks.ask(asked, About::OldFile(extent), HostQuestion::ReadConfig, may_wait)
    }
}

impl Node {
    /// The host's answer to a question.
    pub(crate) fn on_answered(
        &mut self,
        now: Now,
        ask: u64,
        answer: Result<Vec<u8>, HostRefusal>,
        out: &mut Outbox,
    ) {
        let Some(Ask { conn, within, about }) = self.rest.asks.waiting.remove(&ask) else { return };
        let mut found = None;
        let error = match (about, answer) {
            (About::AllocatorNumber, Ok(digits)) => {
                found = Some(Found::Number(base::number::parse_i64(&digits).unwrap_or_default()));
                None
            }
            (About::AllocatorText, Ok(text)) => {
                found = Some(text).filter(|text| !text.is_empty()).map(Found::Text);
                None
            }
            (About::AllocatorNumber | About::AllocatorText, Err(refusal)) => {
                Some(format!("ERR {}", refusal.text))
            }
            (About::Set { asked, .. }, Ok(answer)) => {
                if asked.contains(&id::DIR) && !answer.is_empty() {
                    self.engine.shared.config.put_text(id::DIR, &answer);
                }
                None
            }
            (About::Set { asked, changed, before }, Err(refusal)) => {
                Some(self.take_back(&asked, (&changed, &before), &refusal, out))
            }
            (About::OldFile(extent), Ok(old)) => {
                let new = self.engine.shared.config.rewritten(&old, extent);
                let ask = Ask { conn, within, about: About::NewFile };
                self.rest.asks.put(ask, HostQuestion::WriteConfig(new), out);
                return;
            }
            (About::NewFile, Ok(_)) => {
                out.log(Level::Notice, "CONFIG REWRITE executed with success.");
                None
            }
            (About::OldFile(_) | About::NewFile, Err(refusal)) => {
                out.log(Level::Warning, format!("CONFIG REWRITE failed: {}", refusal.text));
                Some(format!("ERR Rewriting config file: {}", refusal.text))
            }
        };
        if let Some(number) = within {
            self.engine.settle(conn, number, error.as_deref());
        } else {
            self.engine.unblock(conn, |reply| match (error, found) {
                (Some(text), _) => reply.error(text),
                (None, None) => reply.ok(),
                (None, Some(Found::Number(number))) => reply.integer(number),
                (None, Some(Found::Text(text))) => reply.bulk(&text),
            });
        }
        self.settle(now, out);
    }

    /// The host has refused a setting: all values of its request are put back. Returns the error.
    fn take_back(
        &mut self,
        asked: &[DirectiveId],
        (changed, before): (&[DirectiveId], &Config),
        refusal: &HostRefusal,
        out: &mut Outbox,
    ) -> String {
        let directive = asked.get(refusal.at).or(asked.first()).copied();
        let directive = directive.expect("the host was given a setting");
        let name = directive.row().name;
        out.log(
            Level::Warning,
            format!(
                "Failed applying new configuration. Possibly related to new {name} setting. Restoring previous \
                 settings."
            ),
        );
        self.engine.shared.config.restore(before, changed);
        // Another one of the same transaction has taken these values for those before it.
        for later in self.rest.asks.waiting.values_mut() {
            if let About::Set { before: values, .. } = &mut later.about {
                values.restore(before, changed);
            }
        }
        self.engine.on_config();
        self.rest.settings_changed = true;
        format!("{}", SetError::failed(directive, settings::refusal_text(directive, &refusal.text)))
    }

    /// Tells the host of a new role: it stands in each line of the log, and decides on the score for the kernel's killer.
    pub(crate) fn tell_role(&mut self, out: &mut Outbox) {
        let is_replica = self.rest.journal.primary().is_some();
        if self.rest.role_told == Some(is_replica) {
            return;
        }
        self.rest.role_told = Some(is_replica);
        out.put(Output::Host(HostSetting::LogRole(if is_replica { 'S' } else { 'M' })));
        let score = settings::oom_score(&self.engine.shared.config, is_replica);
        out.put(Output::Host(HostSetting::OomScore(score)));
    }
}
