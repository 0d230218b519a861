//! Ids as texts: which of them are one id. A program that reads integers into a column with missing values writes them as floats, so that
//! the `7` of one file is the `7.0` of another.

/// The id without the fraction of a whole number: `7` of `7.0`, and all others as they are (`007.0`, `7.5`, `7.`).
///
/// ```
/// use colburn_data::plain_id;
///
/// assert_eq!(["7.0", "7", "0007", "7.50", "v1.0"].map(plain_id), ["7", "7", "0007", "7.50", "v1.0"]);
/// ```
pub fn plain_id(id: &str) -> &str {
    let Some((whole, fraction)) = id.split_once('.') else { return id };
    let digits = whole.strip_prefix('-').unwrap_or(whole);
    let is_integer = match digits.as_bytes() {
        [b'0'] => whole == "0",
        [b'1'..=b'9', rest @ ..] => rest.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    if is_integer && !fraction.is_empty() && fraction.bytes().all(|digit| digit == b'0') { whole } else { id }
}

/// True if two ids are the same text or the same whole number.
///
/// ```
/// use colburn_data::same_id;
///
/// assert!(same_id("7.0", "7") && same_id("d7", "d7"));
/// assert!(!same_id("07", "7") && !same_id("7.5", "7"));
/// ```
pub fn same_id(one: &str, other: &str) -> bool {
    one == other || plain_id(one) == plain_id(other)
}

#[cfg(test)]
mod tests {
    use super::{plain_id, same_id};

    #[test]
    fn whole_numbers_lose_their_fraction_and_nothing_else_does() {
        for (id, plain) in [
            ("0.0", "0"),
            ("0", "0"),
            ("7.000", "7"),
            ("-12.0", "-12"),
            ("9007199254740993.0", "9007199254740993"),
            ("00.0", "00.0"),
            ("-0.0", "-0.0"),
            ("0007", "0007"),
            ("007.0", "007.0"),
            ("7.", "7."),
            (".0", ".0"),
            ("7.5", "7.5"),
            ("7.0.0", "7.0.0"),
            ("1_0.0", "1_0.0"),
            ("a.0", "a.0"),
            ("7.0 ", "7.0 "),
            ("", ""),
        ] {
            assert_eq!(plain_id(id), plain, "{id}");
        }
        assert!(same_id("1.0", "1.00") && same_id("x", "x") && !same_id("1.0", "10"));
    }
}
