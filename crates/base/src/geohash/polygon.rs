//! Polygons on a map of degrees.

use super::{Area, Point, degrees, radians};
use libm::{atan2, cos, sin, sqrt};

/// The middle of the corners, on the globe: distances are measured from there.
pub fn middle(corners: &[Point]) -> Point {
    let (mut x, mut y, mut z) = (0.0, 0.0, 0.0);
    for corner in corners {
        let (longitude, latitude) = (radians(corner.longitude), radians(corner.latitude));
        x += cos(latitude) * cos(longitude);
        y += cos(latitude) * sin(longitude);
        z += sin(latitude);
    }
    let count = corners.len().max(1) as f64;
    let (x, y, z) = (x / count, y / count, z / count);
    Point { longitude: degrees(atan2(y, x)), latitude: degrees(atan2(z, sqrt(x * x + y * y))) }
}

/// The edges of the smallest area that holds all corners.
pub(super) fn bounds(corners: &[Point]) -> Area {
    let longitudes = corners.iter().map(|corner| corner.longitude);
    let latitudes = corners.iter().map(|corner| corner.latitude);
    Area {
        west: longitudes.clone().fold(f64::INFINITY, f64::min),
        east: longitudes.fold(f64::NEG_INFINITY, f64::max),
        south: latitudes.clone().fold(f64::INFINITY, f64::min),
        north: latitudes.fold(f64::NEG_INFINITY, f64::max),
    }
}

/// True when a ray from the point to the east crosses the polygon's edges an odd number of times.
pub(super) fn holds(corners: &[Point], point: Point) -> bool {
    let Some(last) = corners.last() else { return false };
    let (mut is_within, mut before) = (false, last);
    for corner in corners {
        if (corner.latitude > point.latitude) != (before.latitude > point.latitude) {
            let share = (point.latitude - corner.latitude) / (before.latitude - corner.latitude);
            let crossing = (before.longitude - corner.longitude) * share + corner.longitude;
            is_within ^= point.longitude < crossing;
        }
        before = corner;
    }
    is_within
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(longitude: f64, latitude: f64) -> Point {
        Point { longitude, latitude }
    }

    #[test]
    fn points_lie_within_or_without() {
        let corners = [at(12.0, 37.0), at(16.0, 37.0), at(14.0, 39.0)];
        assert!(holds(&corners, at(14.0, 38.0)));
        assert!(!holds(&corners, at(12.5, 38.0)) && !holds(&corners, at(14.0, 36.9)));
        assert!(!holds(&[], at(0.0, 0.0)) && !holds(&corners[..1], at(12.0, 37.0)));
        let star = [at(12.0, 37.0), at(16.0, 37.0), at(12.0, 39.0), at(16.0, 39.0), at(14.0, 36.0)];
        assert!(holds(&star, at(12.758, 38.788)));
    }

    #[test]
    fn the_middle_is_that_of_the_globe() {
        let middle = middle(&[at(12.0, 37.0), at(16.0, 37.0), at(16.0, 39.0), at(12.0, 39.0)]);
        assert!(
            (middle.longitude - 14.0).abs() < 1e-9 && (middle.latitude - 38.017).abs() < 0.001,
            "{middle:?}"
        );
    }
}
