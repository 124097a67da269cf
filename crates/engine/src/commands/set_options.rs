//! The options that SET, GETEX and MSETEX share.

use crate::commands::Deadline;
use crate::commands::compare::Compare;
use crate::keys::{self, Place};
use spec::Refusal;
use wire::batch::Args;

/// The options of SET, GETEX and MSETEX.
#[derive(Default)]
pub struct Options<'a> {
    /// NX.
    pub only_new: bool,
    /// XX.
    pub only_old: bool,
    /// IFEQ and its like.
    pub compare: Option<Compare<'a>>,
    /// GET.
    pub get: bool,
    /// KEEPTTL.
    pub keep: bool,
    /// PERSIST.
    pub persist: bool,
    /// EX and its like, with the time.
    pub deadline: Option<(Deadline, &'a [u8])>,
}

/// Which options a command has.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// SET.
    Set,
    /// GETEX.
    GetEx,
    /// MSETEX.
    SetMany,
}

impl<'a> Options<'a> {
    /// Reads them.
    pub fn parse(args: Args<'a>, form: Form) -> Result<Options<'a>, Refusal> {
        let mut options = Options::default();
        let mut at = 0;
        while let Some(word) = args.get(at) {
            let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
            // The same unit may come twice, the last counts; two units contradict each other.
            let contradicts = |kind: Deadline| {
                options.keep || options.persist || options.deadline.is_some_and(|(other, _)| other != kind)
            };
            let sets = form != Form::GetEx;
            if sets && is("nx") && !options.only_old && options.compare.is_none() {
                options.only_new = true;
            } else if sets && is("xx") && !options.only_new && options.compare.is_none() {
                options.only_old = true;
            } else if form == Form::Set && is("get") {
                options.get = true;
            } else if let Some(compare) = options.comparison(form, word, args.get(at + 1))? {
                options.compare = Some(compare);
                at += 1;
            } else if sets && is("keepttl") && options.deadline.is_none() {
                options.keep = true;
            } else if form == Form::GetEx && is("persist") && options.deadline.is_none() {
                options.persist = true;
            } else if let (Some(kind), Some(text)) =
                (Deadline::named(word).filter(|kind| !contradicts(*kind)), args.get(at + 1))
            {
                options.deadline = Some((kind, text));
                at += 1;
            } else {
                return Err(Refusal::Syntax);
            }
            at += 1;
        }
        Ok(options)
    }

    /// The comparison that a word names, where one may stand.
    fn comparison(
        &self,
        form: Form,
        word: &[u8],
        value: Option<&'a [u8]>,
    ) -> Result<Option<Compare<'a>>, Refusal> {
        match value {
            Some(value) if form == Form::Set => {
                let is_other = self.only_new || self.only_old || self.compare.is_some();
                Compare::parse(word, value).map(|compare| compare.filter(|_| !is_other))
            }
            _ => Ok(None),
        }
    }

    /// True when the key may be set.
    pub fn allow(&self, place: &Place<'_>) -> Result<bool, Refusal> {
        Ok(match (place, self.compare) {
            (Place::Taken(entry), Some(compare)) => compare.holds(keys::string(&entry.as_ref())?),
            (Place::Free(_), Some(compare)) => compare.holds_for_none(),
            (Place::Taken(_), None) => !self.only_new,
            (Place::Free(_), None) => !self.only_old,
        })
    }
}
