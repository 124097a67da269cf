//! A request that is encoded once: only the digits in its random places change from one sending to the next.

use base::random::Random;

/// What stands for a random number of twelve digits.
const RANDOM: &[u8] = b"__rand_int__";
/// What stands for a text of the slots of the node that the request goes to.
const TAG: &[u8] = b"{tag}";

/// Encoded requests with the places that change.
#[derive(Clone, Debug, Default)]
pub struct Template {
    /// The bytes as they go out.
    pub bytes: Vec<u8>,
    spots: Vec<usize>,
    tags: Vec<usize>,
}

impl Template {
    /// `request`, `times` in a row. Random places are looked for if `is_random`.
    pub fn new(request: &[u8], times: usize, is_random: bool) -> Template {
        let bytes = request.repeat(times);
        let spots = if is_random { places(&bytes, RANDOM) } else { Vec::new() };
        let tags = places(&bytes, TAG);
        Template { bytes, spots, tags }
    }

    /// Whether keys can be bent to a node.
    pub fn has_tags(&self) -> bool {
        !self.tags.is_empty()
    }

    /// Writes other numbers, each below `bound`, into the random places.
    pub fn draw(&mut self, random: &mut Random, bound: u64) {
        for &spot in &self.spots {
            let mut rest = if bound == 0 { 0 } else { random.below(bound) };
            for byte in self.bytes[spot..spot + RANDOM.len()].iter_mut().rev() {
                *byte = b'0' + (rest % 10) as u8;
                rest /= 10;
            }
        }
    }

    /// Bends the keys to the slot of `text`, which has one to three characters.
    pub fn set_tag(&mut self, text: &[u8]) {
        for &tag in &self.tags {
            let place = &mut self.bytes[tag + 1..tag + TAG.len() - 1];
            place.fill(b'}');
            place[..text.len()].copy_from_slice(text);
        }
    }
}

fn places(bytes: &[u8], word: &[u8]) -> Vec<usize> {
    let mut found = Vec::new();
    let mut at = 0;
    while at + word.len() <= bytes.len() {
        if bytes[at..].starts_with(word) {
            found.push(at);
            at += word.len();
        } else {
            at += 1;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_places_hold_twelve_digits_below_the_bound() {
        let mut template = Template::new(b"GET key:__rand_int__\r\n", 2, true);
        template.draw(&mut Random::new(7), 10);
        let text = String::from_utf8(template.bytes.clone()).unwrap();
        for line in text.lines() {
            let digits = line.strip_prefix("GET key:").unwrap();
            assert_eq!(digits.len(), 12);
            assert!(digits.parse::<u64>().unwrap() < 10);
        }
        template.draw(&mut Random::new(7), 0);
        assert!(template.bytes.starts_with(b"GET key:000000000000\r\n"));
        let fixed = Template::new(b"GET key:__rand_int__\r\n", 1, false);
        assert_eq!(fixed.spots.len(), 0);
    }

    #[test]
    fn a_tag_of_any_length_keeps_the_key_in_its_slot() {
        for text in ["a", "ab", "abc"] {
            let mut template = Template::new(b"key:{tag}:1", 1, true);
            template.set_tag(b"xyz");
            template.set_tag(text.as_bytes());
            assert_eq!(base::crc16::slot_of(&template.bytes), base::crc16::slot_of(text.as_bytes()));
            assert_eq!(template.bytes.len(), 11);
        }
    }
}
