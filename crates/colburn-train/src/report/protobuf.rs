//! Protocol buffers, as much of them as the reports need: a message built field by field, and the fields of one read back.
//!
//! The two formats use a dozen small messages. Their field numbers stand where the messages are built (`events.rs`, `records.rs`), and a
//! generator with its build step would be more than what it generates. The bytes are those of Python's `SerializeToString` where fields
//! are given in the order of their numbers.

/// Wire types.
const VARINT: u32 = 0;
const FIXED64: u32 = 1;
const BYTES: u32 = 2;
const FIXED32: u32 = 5;

/// A message in the making.
#[derive(Clone, Debug, Default)]
pub(super) struct Message(Vec<u8>);

impl Message {
    /// An `int32`, `int64`, `bool` or enum; 0 is what a reader takes a missing one for, and is not written.
    pub fn integer(mut self, field: u32, value: i64) -> Self {
        if value != 0 {
            self.key(field, VARINT);
            self.varint(value as u64);
        }
        self
    }

    /// A `double`, also 0.
    pub fn double(mut self, field: u32, value: f64) -> Self {
        self.key(field, FIXED64);
        self.0.extend(value.to_le_bytes());
        self
    }

    /// A `float`, also 0.
    pub fn float(mut self, field: u32, value: f32) -> Self {
        self.key(field, FIXED32);
        self.0.extend(value.to_le_bytes());
        self
    }

    /// A `string`, also an empty one.
    pub fn text(self, field: u32, value: &str) -> Self {
        self.bytes(field, value.as_bytes())
    }

    /// A message within this one, also an empty one.
    pub fn message(self, field: u32, value: Self) -> Self {
        self.bytes(field, &value.0)
    }

    /// The message as it is stored.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    fn bytes(mut self, field: u32, value: &[u8]) -> Self {
        self.key(field, BYTES);
        self.varint(value.len() as u64);
        self.0.extend(value);
        self
    }

    fn key(&mut self, field: u32, wire: u32) {
        self.varint(u64::from(field << 3 | wire));
    }

    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }
}

/// The value of a field, as much as the wire tells of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Value<'a> {
    /// Any whole number.
    Varint(u64),
    /// A `double`.
    Fixed64([u8; 8]),
    /// A string or a message.
    Bytes(&'a [u8]),
    /// A `float`.
    Fixed32([u8; 4]),
}

/// The fields of a message in their order, up to its end or to what is none.
pub(super) fn fields(mut bytes: &[u8]) -> impl Iterator<Item = (u32, Value<'_>)> {
    std::iter::from_fn(move || {
        let key = read_varint(&mut bytes)?;
        let value = match key as u32 & 7 {
            VARINT => Value::Varint(read_varint(&mut bytes)?),
            FIXED64 => Value::Fixed64(read_array(&mut bytes)?),
            FIXED32 => Value::Fixed32(read_array(&mut bytes)?),
            BYTES => {
                let length = usize::try_from(read_varint(&mut bytes)?).ok()?;
                let (value, rest) = bytes.split_at_checked(length)?;
                bytes = rest;
                Value::Bytes(value)
            }
            _ => return None,
        };
        Some(((key >> 3) as u32, value))
    })
}

/// The first message, or string, that a message has under a number.
pub(super) fn bytes_of(message: &[u8], field: u32) -> Option<&[u8]> {
    fields(message).find_map(|found| match found {
        (number, Value::Bytes(bytes)) if number == field => Some(bytes),
        _ => None,
    })
}

/// The whole number that a message has under a number, 0 if it has none.
pub(super) fn integer_of(message: &[u8], field: u32) -> i64 {
    let found = fields(message).find_map(|found| match found {
        (number, Value::Varint(value)) if number == field => Some(value as i64),
        _ => None,
    });
    found.unwrap_or_default()
}

fn read_varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

fn read_array<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (value, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(*value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message() -> Message {
        let inner = Message::default().text(1, "ü");
        Message::default()
            .double(1, 1.5)
            .integer(2, 300)
            .integer(3, -1)
            .integer(4, 0)
            .message(20, inner)
            .float(21, -0.5)
    }

    // from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
    // a message M { double a = 1; int64 b = 2; int64 c = 3; int64 d = 4; N e = 20 { string x = 1; } float f = 21; }
    // M(a=1.5, b=300, c=-1, e=N(x="ü"), f=-0.5).SerializeToString().hex()
    #[test]
    fn fields_are_stored_as_python_stores_them() {
        let hex: String = message().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "09000000000000f83f10ac0218ffffffffffffffffff01a201040a02c3bcad01000000bf");
    }

    #[test]
    fn fields_are_read_back() {
        let bytes = message().into_bytes();
        let read: Vec<_> = fields(&bytes).collect();
        let expected = [
            (1, Value::Fixed64(1.5f64.to_le_bytes())),
            (2, Value::Varint(300)),
            (3, Value::Varint(u64::MAX)),
            (20, Value::Bytes(&[0x0a, 0x02, 0xc3, 0xbc])),
            (21, Value::Fixed32((-0.5f32).to_le_bytes())),
        ];
        assert_eq!(read, expected);
        assert_eq!((integer_of(&bytes, 3), integer_of(&bytes, 4)), (-1, 0));
        assert_eq!(bytes_of(&bytes, 20).and_then(|inner| bytes_of(inner, 1)), Some("ü".as_bytes()));
    }

    #[test]
    fn what_is_no_message_ends_the_fields() {
        let bytes = message().into_bytes();
        for end in 0..bytes.len() {
            assert!(fields(&bytes[..end]).count() < 5);
        }
        assert_eq!(fields(&[0xff; 11]).count(), 0);
        assert_eq!(fields(&[0x0b, 0x01]).count(), 0, "groups are none of the wire types here");
    }
}
