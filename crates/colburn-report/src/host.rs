//! The machine and the time, as far as reports name them.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::{SystemTime, UNIX_EPOCH};

use time::OffsetDateTime;

/// Seconds since 1970.
pub(crate) fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

/// The date and time of day, in UTC, at so many seconds since 1970.
pub(crate) fn date(seconds: f64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(seconds as i64).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

/// The name of this machine, fit for a file name.
pub(crate) fn name() -> String {
    let name: String = system_name().chars().filter(|c| c.is_ascii_alphanumeric() || "-_.".contains(*c)).collect();
    if name.is_empty() { "localhost".to_owned() } else { name }
}

#[cfg(unix)]
fn system_name() -> String {
    let mut buffer = [0u8; 256];
    // SAFETY: the buffer is valid for its length, and the call writes no more than that.
    let status = unsafe { libc::gethostname(buffer.as_mut_ptr().cast(), buffer.len()) };
    let end = buffer.iter().position(|byte| *byte == 0).unwrap_or(buffer.len());
    if status == 0 { String::from_utf8_lossy(&buffer[..end]).into_owned() } else { String::new() }
}

#[cfg(not(unix))]
fn system_name() -> String {
    std::env::var("COMPUTERNAME").unwrap_or_default()
}

/// Eight random letters and digits, as wandb names its runs.
pub(crate) fn run_id() -> String {
    const DIGITS: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";
    // The keys of a `RandomState` are the one source of randomness in the standard library.
    let mut hasher = RandomState::new().build_hasher();
    hasher.write_u64(now().to_bits());
    let random = hasher.finish();
    (0..8).map(|place| char::from(DIGITS[(random / 36u64.pow(place) % 36) as usize])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    // [datetime.fromtimestamp(s, timezone.utc) for s in (0, 951_782_400, 1_795_432_341, 4_107_542_399)]
    #[test]
    fn dates_are_those_of_python() {
        let of = |seconds: f64| {
            let date = date(seconds);
            let day = (date.year(), u8::from(date.month()), date.day());
            (day, (date.hour(), date.minute(), date.second()))
        };
        assert_eq!(of(0.0), ((1970, 1, 1), (0, 0, 0)));
        assert_eq!(of(951_782_400.0), ((2000, 2, 29), (0, 0, 0)));
        assert_eq!(of(1_795_432_341.9), ((2026, 11, 23), (11, 12, 21)));
        assert_eq!(of(4_107_542_399.0), ((2100, 2, 28), (23, 59, 59)));
        assert_eq!(of(f64::INFINITY), of(0.0), "no date");
    }

    #[test]
    fn names_fit_into_file_names() {
        assert!(!name().is_empty() && !name().contains(['/', '\\', ' ']));
        let (one, other) = (run_id(), run_id());
        assert!(one.len() == 8 && one.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()), "{one}");
        assert_ne!(one, other);
    }
}
