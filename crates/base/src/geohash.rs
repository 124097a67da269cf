//! Geohash: points of the earth as numbers of 52 bits, so that near points are mostly near numbers.
//!
//! ```text
//!   bits of the longitude and of the latitude in turn, the highest first: 26 steps of two bits
//!   a number cut off after fewer steps stands for a cell; its members are one range of numbers
//! ```
//!
//! The search looks at the cell of the centre, of a size that suits the distance, and at its eight neighbours: as the
//! original does, in its order, because results that are not sorted come in that order.

mod polygon;

pub use polygon::middle;

use alloc::vec::Vec;
use libm::{asin, cos, fabs, sin, sqrt};

/// The greatest longitude; the least is its negative.
pub const LONGITUDE_MAX: f64 = 180.0;
/// The greatest latitude that a Mercator map has (EPSG:900913); the least is its negative.
pub const LATITUDE_MAX: f64 = 85.051_128_78;
/// Steps of a score.
const STEPS_MAX: u32 = 26;
/// The earth's radius in metres, as the original has it.
const EARTH_RADIUS: f64 = 6_372_797.560856;
/// Half of the earth's circumference on a Mercator map, in metres.
const MERCATOR_MAX: f64 = 20_037_726.37;
const RADIANS_PER_DEGREE: f64 = core::f64::consts::PI / 180.0;

/// A point in degrees.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// East of Greenwich.
    pub longitude: f64,
    /// North of the equator.
    pub latitude: f64,
}

impl Point {
    /// True for what can be encoded.
    pub fn is_valid(self) -> bool {
        fabs(self.longitude) <= LONGITUDE_MAX && fabs(self.latitude) <= LATITUDE_MAX
    }

    /// The number of a valid point, as a sorted set keeps it.
    pub fn bits(self) -> u64 {
        Cell::of(self, STEPS_MAX, LATITUDE_MAX).bits
    }

    /// The middle of the smallest cell of a score.
    pub fn of_score(score: f64) -> Point {
        // A score below zero, or of more than 64 bits, is no place; what the originals show for it is what their processor
        // makes of it.
        const BEYOND: f64 = 18_446_744_073_709_551_616.0;
        let bits = match score {
            score if score < 0.0 => score as i64 as u64,
            score if score < BEYOND => score as u64,
            _ => 0,
        };
        let area = Cell { bits, steps: STEPS_MAX }.area();
        Point {
            longitude: ((area.west + area.east) / 2.0).clamp(-LONGITUDE_MAX, LONGITUDE_MAX),
            latitude: ((area.south + area.north) / 2.0).clamp(-LATITUDE_MAX, LATITUDE_MAX),
        }
    }

    /// The eleven letters by which geohash.org knows the point; the last has no bits left.
    pub fn text(self) -> [u8; 11] {
        const LETTERS: &[u8; 32] = b"0123456789bcdefghjkmnpqrstuvwxyz";
        let bits = Cell::of(self, STEPS_MAX, 90.0).bits;
        let mut text = [LETTERS[0]; 11];
        for (at, letter) in text.iter_mut().take(10).enumerate() {
            *letter = LETTERS[(bits >> (47 - 5 * at) & 31) as usize];
        }
        text
    }

    /// The distance in metres along a great circle (haversine formula).
    pub fn distance(self, other: Point) -> f64 {
        let half_sine = |one: f64, two: f64| sin((radians(two) - radians(one)) / 2.0);
        let across = half_sine(self.longitude, other.longitude);
        if across == 0.0 {
            return self.latitude_distance(other);
        }
        let along = half_sine(self.latitude, other.latitude);
        let square =
            along * along + cos(radians(self.latitude)) * cos(radians(other.latitude)) * across * across;
        2.0 * EARTH_RADIUS * asin(sqrt(square))
    }

    /// The distance in metres of the parallels.
    fn latitude_distance(self, other: Point) -> f64 {
        EARTH_RADIUS * fabs(radians(other.latitude) - radians(self.latitude))
    }
}

fn radians(degrees: f64) -> f64 {
    degrees * RADIANS_PER_DEGREE
}

fn degrees(radians: f64) -> f64 {
    radians / RADIANS_PER_DEGREE
}

/// A number of fewer bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cell {
    bits: u64,
    steps: u32,
}

/// The edges of a cell.
struct Area {
    west: f64,
    east: f64,
    south: f64,
    north: f64,
}

impl Cell {
    fn of(point: Point, steps: u32, latitude_max: f64) -> Cell {
        let place = |value: f64, max: f64| {
            let share = (value + max) / (max + max);
            (share * (1u64 << steps) as f64) as u32
        };
        let bits =
            spread(place(point.latitude, latitude_max)) | spread(place(point.longitude, LONGITUDE_MAX)) << 1;
        Cell { bits, steps }
    }

    fn area(self) -> Area {
        let edge = |place: u32, max: f64| -max + f64::from(place) / (1u64 << self.steps) as f64 * (max + max);
        let (latitude, longitude) = (gathered(self.bits), gathered(self.bits >> 1));
        Area {
            west: edge(longitude, LONGITUDE_MAX),
            east: edge(longitude.wrapping_add(1), LONGITUDE_MAX),
            south: edge(latitude, LATITUDE_MAX),
            north: edge(latitude.wrapping_add(1), LATITUDE_MAX),
        }
    }

    /// The cell so many cells to the east and to the north; the map goes round at all edges.
    fn neighbour(self, east: i32, north: i32) -> Cell {
        let mask = (1u32 << self.steps) - 1;
        let moved = |place: u32, by: i32| {
            if by == 0 { place } else { place.wrapping_add_signed(by) & mask }
        };
        let (latitude, longitude) = (gathered(self.bits), gathered(self.bits >> 1));
        Cell { bits: spread(moved(latitude, north)) | spread(moved(longitude, east)) << 1, ..self }
    }

    /// The numbers of its points: from the first to before the second.
    fn range(self) -> (u64, u64) {
        let shift = 2 * (STEPS_MAX - self.steps);
        (self.bits << shift, (self.bits + 1) << shift)
    }
}

/// The bits of a number at the even places ("binary magic numbers", B. Freed).
fn spread(value: u32) -> u64 {
    let mut bits = u64::from(value);
    for (shift, mask) in [
        (16, 0x0000_ffff_0000_ffff),
        (8, 0x00ff_00ff_00ff_00ff),
        (4, 0x0f0f_0f0f_0f0f_0f0f),
        (2, 0x3333_3333_3333_3333),
        (1, 0x5555_5555_5555_5555),
    ] {
        bits = (bits | bits << shift) & mask;
    }
    bits
}

/// The reverse of `spread`.
fn gathered(bits: u64) -> u32 {
    let mut value = bits & 0x5555_5555_5555_5555;
    for (shift, mask) in [
        (1, 0x3333_3333_3333_3333),
        (2, 0x0f0f_0f0f_0f0f_0f0f),
        (4, 0x00ff_00ff_00ff_00ff),
        (8, 0x0000_ffff_0000_ffff),
        (16, 0x0000_0000_ffff_ffff),
    ] {
        value = (value | value >> shift) & mask;
    }
    value as u32
}

/// What is searched, in a unit of the caller's.
#[derive(Clone, Debug, PartialEq)]
pub enum Shape {
    /// All within this distance.
    Circle {
        /// The distance.
        radius: f64,
    },
    /// All within a box along the parallels.
    Box {
        /// From west to east.
        width: f64,
        /// From south to north.
        height: f64,
    },
    /// All within a polygon of corners, whose edges are straight on a map of degrees.
    Polygon(Vec<Point>),
}

/// A search around a point.
#[derive(Clone, Debug, PartialEq)]
pub struct Search {
    /// The middle.
    pub center: Point,
    /// What is searched.
    pub shape: Shape,
    /// Metres of the unit.
    pub unit: f64,
}

/// In the order of the original: the centre, the four beside it, the four at the corners.
const AROUND: [(i32, i32); 9] =
    [(0, 0), (0, 1), (0, -1), (1, 0), (-1, 0), (1, 1), (-1, 1), (1, -1), (-1, -1)];

impl Search {
    /// The ranges of numbers in which all points of the search lie, and more: each from the first to before the second.
    pub fn ranges(&self) -> impl Iterator<Item = (u64, u64)> {
        let (cell, area, bounds) = self.cell();
        let is_left_out = move |(east, north): (i32, i32)| {
            cell.steps >= 2
                && (north < 0 && area.south < bounds.south
                    || north > 0 && area.north > bounds.north
                    || east < 0 && area.west < bounds.west
                    || east > 0 && area.east > bounds.east)
        };
        // On a map of few cells a neighbour may be the one before it.
        let mut last = None;
        AROUND.into_iter().filter(move |place| !is_left_out(*place)).filter_map(move |(east, north)| {
            let neighbour = cell.neighbour(east, north);
            if last == Some(neighbour) {
                return None;
            }
            last = Some(neighbour).filter(|_| (east, north) != (0, 0));
            Some(neighbour.range())
        })
    }

    /// The cell of the centre, of a size at which its neighbours hold the whole search; its edges; those of the search.
    fn cell(&self) -> (Cell, Area, Area) {
        let bounds = self.bounds();
        let mut steps = self.steps();
        let is_too_small = |steps: u32| {
            let cell = Cell::of(self.center, steps, LATITUDE_MAX);
            cell.neighbour(0, 1).area().north < bounds.north
                || cell.neighbour(0, -1).area().south > bounds.south
                || cell.neighbour(1, 0).area().east < bounds.east
                || cell.neighbour(-1, 0).area().west > bounds.west
        };
        // One step is enough around the middle; that of a polygon may lie at its edge.
        let steps_min = if matches!(self.shape, Shape::Polygon(_)) { 1 } else { (steps - 1).max(1) };
        while steps > steps_min && is_too_small(steps) {
            steps -= 1;
        }
        let cell = Cell::of(self.center, steps, LATITUDE_MAX);
        (cell, cell.area(), bounds)
    }

    /// Steps at which a cell is about as large as the search; fewer near the poles, where cells are narrow.
    fn steps(&self) -> u32 {
        let mut range = self.unit
            * match &self.shape {
                Shape::Circle { radius } => *radius,
                Shape::Box { width, height } => {
                    sqrt((width / 2.0) * (width / 2.0) + (height / 2.0) * (height / 2.0))
                }
                Shape::Polygon(corners) => {
                    corners.iter().map(|corner| self.center.distance(*corner)).fold(0.0, f64::max)
                }
            };
        if range == 0.0 {
            return STEPS_MAX;
        }
        let mut steps = 1i32;
        // Ends: the range doubles, and the smallest double takes some thousand turns.
        while range < MERCATOR_MAX {
            range *= 2.0;
            steps += 1;
        }
        steps -= 2;
        let latitude = fabs(self.center.latitude);
        steps -= i32::from(latitude > 66.0) + i32::from(latitude > 80.0);
        steps.clamp(1, STEPS_MAX as i32) as u32
    }

    /// The edges of the search in degrees.
    fn bounds(&self) -> Area {
        let (width, height) = match &self.shape {
            Shape::Circle { radius } => (*radius, *radius),
            Shape::Box { width, height } => (width / 2.0, height / 2.0),
            Shape::Polygon(corners) => return polygon::bounds(corners),
        };
        let (width, height) = (self.unit * width, self.unit * height);
        let Point { longitude, latitude } = self.center;
        let north = degrees(height / EARTH_RADIUS);
        // The parallel nearer to the pole is the shorter one.
        let pole = if latitude < 0.0 { latitude - north } else { latitude + north };
        let east = degrees(width / EARTH_RADIUS / cos(radians(pole)));
        Area {
            west: longitude - east,
            east: longitude + east,
            south: latitude - north,
            north: latitude + north,
        }
    }

    /// The distance of a point from the centre in metres; `None` when it lies outside.
    pub fn distance(&self, point: Point) -> Option<f64> {
        match &self.shape {
            Shape::Polygon(corners) => polygon::holds(corners, point).then(|| self.center.distance(point)),
            Shape::Circle { radius } => {
                let distance = self.center.distance(point);
                (distance <= radius * self.unit).then_some(distance)
            }
            Shape::Box { width, height } => {
                if point.latitude_distance(self.center) > height * self.unit / 2.0 {
                    return None;
                }
                let beside = Point { longitude: self.center.longitude, ..point };
                let is_within = point.distance(beside) <= width * self.unit / 2.0;
                is_within.then(|| self.center.distance(point))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Random;

    const PALERMO: Point = Point { longitude: 13.361389, latitude: 38.115556 };
    const CATANIA: Point = Point { longitude: 15.087269, latitude: 37.502669 };

    #[test]
    fn points_are_those_of_the_original() {
        assert_eq!(PALERMO.bits(), 3_479_099_956_230_698);
        assert_eq!(CATANIA.bits(), 3_479_447_370_796_909);
        let palermo = Point::of_score(3_479_099_956_230_698.0);
        assert_eq!((palermo.longitude, palermo.latitude), (13.361_389_338_970_184, 38.115_556_395_496_3));
        assert_eq!(&palermo.text(), b"sqc8b49rny0");
        // GEOPOS of ZADD k -5 a.
        let nowhere = Point::of_score(-5.0);
        assert_eq!((nowhere.longitude, nowhere.latitude), (180.0, 85.051_128_78));
        assert_eq!(&nowhere.text(), b"bp05b5048p0");
        for beyond in [18_446_744_073_709_551_616.0, 1e300, f64::INFINITY] {
            assert_eq!(&Point::of_score(beyond).text(), b"00bh0hbj200");
        }
        let catania = Point::of_score(CATANIA.bits() as f64);
        assert!((palermo.distance(catania) - 166_274.151_6).abs() < 0.0001);
    }

    #[test]
    fn the_ranges_hold_what_is_near() {
        let mut random = Random::new(3);
        let mut degrees = |max: f64| (random.below(2_000_001) as f64 / 1e6 - 1.0) * max;
        for _ in 0..2_000 {
            let center = Point { longitude: degrees(179.0), latitude: degrees(84.0) };
            let radius = 1.0 + fabs(degrees(200_000.0));
            let search = Search { center, shape: Shape::Circle { radius }, unit: 1.0 };
            let other = Point {
                longitude: (center.longitude + degrees(1.0)).clamp(-180.0, 180.0),
                latitude: (center.latitude + degrees(1.0)).clamp(-85.0, 85.0),
            };
            let bits = other.bits();
            let is_in_range = search.ranges().any(|(from, to)| (from..to).contains(&bits));
            let near = Point::of_score(bits as f64);
            assert!(is_in_range || search.distance(near).is_none(), "{center:?} {radius} {other:?}");
        }
    }

    #[test]
    fn bits_are_spread_and_gathered() {
        for value in [0, 1, 0x55aa_1234, u32::MAX] {
            assert_eq!(gathered(spread(value)), value);
        }
    }
}
