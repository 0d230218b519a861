//! Random damage to a file: to its bytes, or to the values of its JSON.

use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng, SeedableRng},
};
use serde_json::{Value, json};

/// A seeded generator of damage.
pub struct Mutations(ChaCha8Rng);

impl Mutations {
    /// A generator whose seed is a hash of the name (FNV-1a, which does not change between versions).
    pub fn new(name: &str) -> Self {
        let mix = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        Self(ChaCha8Rng::seed_from_u64(name.bytes().fold(0xcbf2_9ce4_8422_2325, mix)))
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.0.next_u64() % bound.max(1) as u64) as usize
    }

    fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }

    /// A file with one to three damaged places.
    pub fn bytes(&mut self, original: &[u8]) -> Vec<u8> {
        let mut bytes = original.to_vec();
        for _ in 0..=self.below(3) {
            let at = self.below(bytes.len());
            let end = at + self.below((bytes.len() - at).min(40));
            match self.below(8) {
                0 => bytes.truncate(at),
                1 => drop(bytes.drain(at..end)),
                2 => {
                    let again = bytes[at..end].to_vec();
                    bytes.splice(at..at, again);
                }
                3 => {
                    let noise: Vec<u8> = (0..=self.below(12)).map(|_| self.0.next_u64() as u8).collect();
                    bytes.splice(at..at, noise);
                }
                4 => {
                    let number = self.number();
                    let digits = bytes[at..].iter().position(u8::is_ascii_digit).map_or(at, |skip| at + skip);
                    let rest = bytes[digits..].iter().take_while(|byte| byte.is_ascii_digit()).count();
                    bytes.splice(digits..digits + rest, number.bytes());
                }
                5 => bytes.splice(at..end, self.0.next_u64().to_le_bytes()).for_each(drop),
                6 => bytes.extend_from_slice(&original[original.len() / 2..]),
                _ if bytes.is_empty() => {}
                _ => bytes[at] ^= 1 << self.below(8),
            }
        }
        bytes
    }

    /// A number that is probably a limit of a type or a check.
    fn number(&mut self) -> String {
        let numbers = [
            "0",
            "1",
            "-1",
            "3",
            "16777216",
            "2147483648",
            "4294967296",
            "9223372036854775807",
            "18446744073709551615",
        ];
        let more = ["18446744073709551616", "0.5", "1e308", "1e999", "-0", "00", "null"];
        (*self.pick(&[&numbers[..], &more[..]].concat())).to_owned()
    }

    /// A document with one to three damaged values.
    pub fn json(&mut self, original: &Value) -> Value {
        let mut json = original.clone();
        for _ in 0..=self.below(3) {
            let value = self.value(original);
            self.damage(&mut json, value);
        }
        json
    }

    /// A value that is probably not expected.
    fn value(&mut self, original: &Value) -> Value {
        let number = self.number();
        let nested = (0..300).fold(json!(1), |inside, _| json!([inside]));
        let strings = [
            "",
            "..",
            "../x",
            "/etc/passwd",
            "\u{0}",
            "[Q] ",
            "[MASK]",
            "bert",
            "gelu",
            "F32",
            "é\u{301}\u{200d}",
            "(a+)+$",
            "\\",
        ];
        let string = (*self.pick(&strings)).to_owned();
        let choices = [
            serde_json::from_str(&number).unwrap_or(Value::Null),
            serde_json::from_str(&number).unwrap_or(Value::Null),
            json!(string),
            json!("x".repeat(self.below(5000))),
            Value::Null,
            json!(true),
            json!([]),
            json!({}),
            json!([0, usize::MAX]),
            nested,
            original.clone(),
        ];
        self.pick(&choices).clone()
    }

    /// Inserts the value at a random place, or removes one.
    fn damage(&mut self, json: &mut Value, value: Value) {
        match json {
            Value::Object(fields) if !fields.is_empty() => {
                let key = self.pick(&fields.keys().cloned().collect::<Vec<_>>()).clone();
                match self.below(8) {
                    0 => _ = fields.remove(&key),
                    1 => _ = fields.insert(key, value),
                    2 => _ = fields.insert("unheard of".to_owned(), value),
                    3 => {
                        let other = self.pick(&fields.keys().cloned().collect::<Vec<_>>()).clone();
                        let copied = fields[&other].clone();
                        fields.insert(key, copied);
                    }
                    _ => self.damage(&mut fields[&key], value),
                }
            }
            Value::Array(items) if !items.is_empty() => {
                let at = self.below(items.len());
                match self.below(8) {
                    0 => _ = items.remove(at),
                    1 => items[at] = value,
                    2 => items.insert(at, value),
                    3 => items.push(items[at].clone()),
                    _ => self.damage(&mut items[at], value),
                }
            }
            other => *other = value,
        }
    }
}
