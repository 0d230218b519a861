//! Numbers and JSON in Python's spelling, so that files equal those that PyLate writes.

use std::fmt::Write;

/// A number as Python's `str` writes it.
pub(crate) fn float(value: f64) -> String {
    if value.is_nan() {
        return "nan".to_owned();
    }
    // Python turns to exponents below 1e-4, Rust below 1e-5; and it gives them two digits.
    let small = value != 0.0 && value.abs() < 1e-4;
    if !value.is_finite() || (!small && value.abs() < 1e16) {
        return format!("{value:?}");
    }
    let text = format!("{value:e}");
    match text.split_once('e').map(|(digits, exponent)| (digits, exponent.parse::<i32>())) {
        Some((digits, Ok(exponent))) => format!("{digits}e{exponent:+03}"),
        _ => text,
    }
}

/// A text as `json.dumps` writes it: ASCII only.
pub(crate) fn json(text: &str) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    let mut ascii = String::with_capacity(quoted.len());
    for character in quoted.chars() {
        if character.is_ascii() {
            ascii.push(character);
            continue;
        }
        for unit in character.encode_utf16(&mut [0; 2]) {
            let _ = write!(ascii, "\\u{unit:04x}");
        }
    }
    ascii
}

#[cfg(test)]
mod tests {
    use super::*;

    // [str(x) for x in (0.0, 1.0, 0.1, 1e-4, 5e-5, 1.25e-7, 1e16, 123456789.5, float("nan"))]
    #[test]
    fn floats() {
        let values = [0.0, 1.0, 0.1, 1e-4, 5e-5, 1.25e-7, 1e16, 123_456_789.5, f64::NAN];
        let expected = ["0.0", "1.0", "0.1", "0.0001", "5e-05", "1.25e-07", "1e+16", "123456789.5", "nan"];
        assert_eq!(values.map(float), expected);
    }

    // json.dumps('a "quoted"\ttab, é and 😀 \x01')
    #[test]
    fn texts() {
        let text = "a \"quoted\"\ttab, é and 😀 \u{1}";
        assert_eq!(json(text), r#""a \"quoted\"\ttab, \u00e9 and \ud83d\ude00 \u0001""#);
    }
}
