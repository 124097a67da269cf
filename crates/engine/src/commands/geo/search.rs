//! Places around a point: GEOSEARCH, GEORADIUS and their kin.

use super::{place, point, say_distance, say_point, unit};
use crate::call::Call;
use crate::commands::sorted_sets::{growth, read, say, store};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use base::geohash::{self, Point, Search, Shape};
use base::number;
use data::sorted_set::{ScoreBound, ScoreRange};
use data::value::IntText;
use data::{SortedSet, SortedSetBuilder, StrRef};
use spec::Refusal;
use wire::batch::Args;

const NO_MEMBER: Refusal = Refusal::Text("ERR could not decode requested zset member");
const RADIUS_NO_NUMBER: Refusal = Refusal::Text("ERR need numeric radius");
const RADIUS_NEGATIVE: Refusal = Refusal::Text("ERR radius cannot be negative");
const WIDTH_NO_NUMBER: Refusal = Refusal::Text("ERR need numeric width");
const HEIGHT_NO_NUMBER: Refusal = Refusal::Text("ERR need numeric height");
const BOX_NEGATIVE: Refusal = Refusal::Text("ERR height or width cannot be negative");
const CORNERS_NO_NUMBER: Refusal = Refusal::Text("ERR invalid number of vertices");
const TOO_FEW_CORNERS: Refusal = Refusal::Text("ERR GEOSEARCH BYPOLYGON must have at least 3 vertices");
const COUNT_NOT_POSITIVE: Refusal = Refusal::Text("ERR COUNT must be > 0");
const ANY_WITHOUT_COUNT: Refusal = Refusal::Text("ERR the ANY argument requires COUNT argument");

/// Which of the commands it is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// GEORADIUS: the centre and the radius stand before the options.
    AroundPoint { stores: bool },
    /// GEORADIUSBYMEMBER.
    AroundMember { stores: bool },
    /// GEOSEARCH, GEOSEARCHSTORE: all is an option.
    Search { stores: bool },
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    Nearest,
    Farthest,
}

/// A request, read.
#[derive(Default)]
struct Query<'a> {
    /// None while it is not given, or where the key is not there.
    center: Option<Point>,
    /// The option that gave the centre: FROMMEMBER, not FROMLONLAT.
    is_from_member: Option<bool>,
    shape: Option<(Shape, f64)>,
    order: Option<Order>,
    /// 0: all.
    count: usize,
    /// ANY: the first that are found will do.
    takes_any: bool,
    with_distance: bool,
    with_hash: bool,
    with_point: bool,
    target: Option<&'a [u8]>,
    stores_distance: bool,
}

/// Something with arguments that `parse` takes one by one.
struct Reader<'a> {
    args: Args<'a>,
    at: usize,
    /// Errors have Valkey's words.
    is_valkey: bool,
}

impl<'a> Reader<'a> {
    /// The next argument, if `more` of them follow it.
    fn has(&self, more: usize) -> bool {
        self.at + more <= self.args.len()
    }

    fn take(&mut self) -> &'a [u8] {
        self.at += 1;
        self.args.at(self.at - 1)
    }

    fn point(&mut self) -> Result<Point, Refusal> {
        point(self.take(), self.take())
    }

    fn circle(&mut self) -> Result<(Shape, f64), Refusal> {
        let radius = number::parse_f64(self.take()).ok_or(RADIUS_NO_NUMBER)?;
        if radius < 0.0 {
            return Err(RADIUS_NEGATIVE);
        }
        Ok((Shape::Circle { radius }, unit(self.take())?))
    }

    fn bounds(&mut self) -> Result<(Shape, f64), Refusal> {
        let width = number::parse_f64(self.take()).ok_or(WIDTH_NO_NUMBER)?;
        let height = number::parse_f64(self.take()).ok_or(HEIGHT_NO_NUMBER)?;
        if width < 0.0 || height < 0.0 {
            return Err(BOX_NEGATIVE);
        }
        Ok((Shape::Box { width, height }, unit(self.take())?))
    }

    /// A polygon: the number of its corners, and these.
    fn polygon(&mut self) -> Result<Vec<Point>, Refusal> {
        let count = number::parse_i64(self.take()).and_then(|count| i32::try_from(count).ok());
        let count = usize::try_from(count.ok_or(CORNERS_NO_NUMBER)?).map_err(|_| TOO_FEW_CORNERS)?;
        if count < 3 || count > (self.args.len() - self.at) / 2 {
            return Err(TOO_FEW_CORNERS);
        }
        (0..count).map(|_| self.point()).collect()
    }

    /// A member of the set; without a set it is not looked for.
    fn member(&mut self, set: Option<&SortedSet>) -> Result<Option<Point>, Refusal> {
        let member = self.take();
        match set {
            Some(set) => place(set, member).map(Some).ok_or_else(|| {
                let text = || format!("ERR member {} does not exist", crate::commands::text(member));
                if self.is_valkey { Refusal::Owned(text().into()) } else { NO_MEMBER }
            }),
            None => Ok(None),
        }
    }
}

impl<'a> Query<'a> {
    fn parse(
        args: Args<'a>,
        form: Form,
        set: Option<&SortedSet>,
        is_valkey: bool,
    ) -> Result<Query<'a>, Refusal> {
        let mut query = Query::default();
        let mut reader = Reader { args, at: 2, is_valkey };
        match form {
            Form::AroundPoint { .. } => {
                query.center = Some(reader.point()?);
                query.shape = Some(reader.circle()?);
            }
            // Without the key the radius is not even looked at.
            Form::AroundMember { .. } if set.is_none() => reader.at = 5,
            Form::AroundMember { .. } => {
                query.center = reader.member(set)?;
                query.shape = Some(reader.circle()?);
            }
            Form::Search { stores: true } => {
                query.target = Some(args.at(1));
                reader.at = 3;
            }
            Form::Search { stores: false } => {}
        }
        while reader.has(1) {
            let word = reader.take().to_ascii_lowercase();
            if !query.plain_option(&word, &mut reader, form)?
                && !query.search_option(&word, &mut reader, form, set)?
            {
                return Err(Refusal::Syntax);
            }
        }
        query.check(args, form, is_valkey)?;
        Ok(query)
    }

    /// The options of all forms; false for others.
    fn plain_option(&mut self, word: &[u8], reader: &mut Reader<'a>, form: Form) -> Result<bool, Refusal> {
        let may_store =
            matches!(form, Form::AroundPoint { stores: true } | Form::AroundMember { stores: true });
        match word {
            b"withdist" => self.with_distance = true,
            b"withhash" => self.with_hash = true,
            b"withcoord" => self.with_point = true,
            b"any" => self.takes_any = true,
            b"asc" => self.order = Some(Order::Nearest),
            b"desc" => self.order = Some(Order::Farthest),
            b"count" if reader.has(1) => {
                let count = number::parse_i64(reader.take()).ok_or(Refusal::NotInteger)?;
                let count = usize::try_from(count).ok().filter(|count| *count > 0);
                self.count = count.ok_or(COUNT_NOT_POSITIVE)?;
            }
            b"store" | b"storedist" if may_store && reader.has(1) => {
                self.target = Some(reader.take());
                self.stores_distance = word == b"storedist";
            }
            b"storedist" if form == (Form::Search { stores: true }) => self.stores_distance = true,
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Centre and shape as GEOSEARCH has them; false for others.
    fn search_option(
        &mut self,
        word: &[u8],
        reader: &mut Reader<'a>,
        form: Form,
        set: Option<&SortedSet>,
    ) -> Result<bool, Refusal> {
        if !matches!(form, Form::Search { .. }) {
            return Ok(false);
        }
        let is_circle = matches!(self.shape, Some((Shape::Circle { .. }, _)));
        let is_box = matches!(self.shape, Some((Shape::Box { .. }, _)));
        let is_polygon = matches!(self.shape, Some((Shape::Polygon(_), _)));
        if word == b"bypolygon" && reader.has(1) {
            // It has its own centre.
            if is_circle || is_box || self.is_from_member.is_some() {
                return Ok(false);
            }
            let corners = reader.polygon()?;
            self.center = Some(geohash::middle(&corners));
            self.shape = Some((Shape::Polygon(corners), 1.0));
            return Ok(true);
        }
        if is_polygon {
            return Ok(false);
        }
        // A centre of the other kind that was given before is an error; the same kind again replaces it.
        match word {
            b"frommember" if reader.has(1) && self.is_from_member != Some(false) => {
                self.center = reader.member(set)?;
                self.is_from_member = Some(true);
            }
            b"fromlonlat" if reader.has(2) && self.is_from_member != Some(true) => {
                self.center = Some(reader.point()?);
                self.is_from_member = Some(false);
            }
            b"byradius" if reader.has(2) && !is_box => self.shape = Some(reader.circle()?),
            b"bybox" if reader.has(3) && !is_circle => self.shape = Some(reader.bounds()?),
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn check(&self, args: Args<'_>, form: Form, is_valkey: bool) -> Result<(), Refusal> {
        let refuse = |text: String| Err(Refusal::Owned(text.into()));
        if self.target.is_some() && (self.with_distance || self.with_hash || self.with_point) {
            let name = match form {
                Form::Search { .. } => "GEOSEARCHSTORE",
                _ => "STORE option in GEORADIUS",
            };
            return refuse(format!(
                "ERR {name} is not compatible with WITHDIST, WITHHASH and WITHCOORD options"
            ));
        }
        let name = crate::commands::text(args.at(0));
        if matches!(form, Form::Search { .. }) {
            let is_polygon = matches!(self.shape, Some((Shape::Polygon(_), _)));
            if self.is_from_member.is_none() && !is_polygon {
                return refuse(format!(
                    "ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for {name}"
                ));
            }
            if self.shape.is_none() {
                let shapes = if is_valkey { "BYRADIUS, BYBOX and BYPOLYGON" } else { "BYRADIUS and BYBOX" };
                return refuse(format!("ERR exactly one of {shapes} can be specified for {name}"));
            }
        }
        if self.takes_any && self.count == 0 { Err(ANY_WITHOUT_COUNT) } else { Ok(()) }
    }

    /// What is found, in the order that is asked for, and no more than that.
    fn run<'s>(&self, set: &'s SortedSet) -> (Vec<Found<'s>>, f64) {
        let (Some(center), Some((shape, unit))) = (self.center, self.shape.clone()) else {
            return (Vec::new(), 1.0);
        };
        let search = Search { center, shape, unit };
        let limit = if self.takes_any { self.count } else { usize::MAX };
        let mut found = Vec::new();
        for (from, to) in search.ranges() {
            let range = ScoreRange {
                min: ScoreBound { score: from as f64, is_exclusive: false },
                max: ScoreBound { score: to as f64, is_exclusive: true },
            };
            let near = set.range(set.ranks_of_scores(&range)).filter_map(|(member, score)| {
                let point = Point::of_score(score);
                Some(Found { distance: search.distance(point)?, member, score, point })
            });
            found.extend(near.take(limit - found.len().min(limit)));
        }
        // The nearest of all are meant, where any will not do.
        let nearest = (self.count > 0 && !self.takes_any).then_some(Order::Nearest);
        match self.order.or(nearest) {
            Some(Order::Nearest) => found.sort_by(|one, other| one.distance.total_cmp(&other.distance)),
            Some(Order::Farthest) => found.sort_by(|one, other| other.distance.total_cmp(&one.distance)),
            None => {}
        }
        if self.count > 0 {
            found.truncate(self.count);
        }
        (found, unit)
    }
}

/// A place that was found.
struct Found<'s> {
    member: StrRef<'s>,
    score: f64,
    point: Point,
    /// In metres.
    distance: f64,
}

fn search(call: &mut Call<'_>, form: Form) -> Result<(), Refusal> {
    let args = call.args;
    let (source, event) = match form {
        Form::Search { stores: true } => (args.at(2), "geosearchstore"),
        Form::Search { stores: false } => (args.at(1), ""),
        _ => (args.at(1), "georadiusstore"),
    };
    let growth = growth(call);
    let is_valkey = call.core.settings.is_valkey;
    let set = read(&mut call.keys, source)?;
    let query = Query::parse(args, form, set, is_valkey)?;
    let (found, unit) = set.map_or((Vec::new(), 1.0), |set| query.run(set));
    if let Some(target) = query.target {
        let mut builder = SortedSetBuilder::new(growth);
        let mut room = IntText::default();
        for place in &found {
            let score = if query.stores_distance { place.distance / unit } else { place.score };
            builder.change(place.member.bytes(&mut room), |_| score);
        }
        drop(found);
        store(call, target, builder.finish(), event);
        return Ok(());
    }
    let parts =
        usize::from(query.with_distance) + usize::from(query.with_hash) + usize::from(query.with_point);
    let reply = &mut call.reply;
    reply.array(found.len());
    for place in found {
        if parts > 0 {
            reply.array(parts + 1);
        }
        say(reply, place.member);
        if query.with_distance {
            say_distance(reply, place.distance / unit);
        }
        if query.with_hash {
            reply.integer(place.score as i64);
        }
        if query.with_point {
            say_point(reply, place.point);
        }
    }
    Ok(())
}

pub(super) fn georadius(call: &mut Call<'_>) -> Result<(), Refusal> {
    search(call, Form::AroundPoint { stores: true })
}

pub(super) fn georadius_ro(call: &mut Call<'_>) -> Result<(), Refusal> {
    search(call, Form::AroundPoint { stores: false })
}

pub(super) fn georadiusbymember(call: &mut Call<'_>) -> Result<(), Refusal> {
    search(call, Form::AroundMember { stores: true })
}

pub(super) fn georadiusbymember_ro(call: &mut Call<'_>) -> Result<(), Refusal> {
    search(call, Form::AroundMember { stores: false })
}

pub(super) fn geosearch(call: &mut Call<'_>) -> Result<(), Refusal> {
    search(call, Form::Search { stores: false })
}

pub(super) fn geosearchstore(call: &mut Call<'_>) -> Result<(), Refusal> {
    search(call, Form::Search { stores: true })
}
