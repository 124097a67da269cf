//! Hashes whose fields have deadlines, in the forms of both families.

use super::{Decoder, Item, Pairs, State, Stop, Text, Value};

/// How fields and deadlines follow each other.
#[derive(Clone, Copy, Debug)]
pub(super) enum FieldsForm {
    /// Field, value, deadline in eight bytes; -1 is none.
    Valkey,
    /// Deadline, field, value. The deadline is a length, counted from one below the lowest one; 0 is none.
    Redis { lowest: u64 },
}

impl Decoder {
    pub(super) fn fields(&mut self) -> Result<Option<Item>, Stop> {
        // As in `texts`.
        let State::Fields { key, count, mut pairs, form } =
            core::mem::replace(&mut self.state, State::Opcode)
        else {
            unreachable!("the caller passes only this state");
        };
        while (pairs.len() as u64) < count || pairs.wants_deadline() {
            if let Err(stop) = self.part_of_field(&mut pairs, form) {
                self.state = State::Fields { key, count, pairs, form };
                return Err(stop);
            }
        }
        pairs.settle();
        Ok(Some(self.keyed(key, Value::Hash(pairs))))
    }

    /// The next field, its value or its deadline.
    fn part_of_field(&mut self, pairs: &mut Pairs, form: FieldsForm) -> Result<(), Stop> {
        match form {
            FieldsForm::Valkey if pairs.wants_deadline() => {
                let mut cursor = self.cursor();
                let deadline = i64::from_le_bytes(cursor.array()?);
                self.read += cursor.used();
                pairs.push_deadline(u64::try_from(deadline).ok());
            }
            FieldsForm::Redis { lowest } if pairs.wants_deadline_first() => {
                let mut cursor = self.cursor();
                let distance = cursor.length()?;
                self.read += cursor.used();
                pairs.push_deadline(super::super::value::field_deadline(distance, lowest.saturating_sub(1)));
            }
            FieldsForm::Valkey | FieldsForm::Redis { .. } => match self.text()? {
                Text::Bytes(bytes) => pairs.push_text(&bytes),
                Text::Integer(number) => pairs.push_text(&base::number::integer_text(number)),
            },
        }
        Ok(())
    }
}
