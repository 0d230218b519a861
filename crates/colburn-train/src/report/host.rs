//! What the reports say of machine and time: the host's name, seconds since 1970, a date in words, an id for a run.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::{SystemTime, UNIX_EPOCH};

const SECONDS_OF_A_DAY: u64 = 24 * 60 * 60;

/// Seconds since 1970.
pub(super) fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

/// The name of this machine, fit for a file name.
pub(super) fn name() -> String {
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

/// A date and time of day in UTC: the standard library knows no time zones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Date {
    pub year: u64,
    pub month: u64,
    pub day: u64,
    pub hour: u64,
    pub minute: u64,
    pub second: u64,
}

/// The date at so many seconds since 1970, by Howard Hinnant's `civil_from_days`.
pub(super) fn date(seconds: f64) -> Date {
    let seconds = seconds as u64;
    let (days, time) = (seconds / SECONDS_OF_A_DAY, seconds % SECONDS_OF_A_DAY);
    // Years here begin in March, so that a leap day is the last of its year; eras of 400 years have 146,097 days.
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    Date {
        year: era * 400 + year_of_era + u64::from(month <= 2),
        month,
        day: day_of_year - (153 * from_march + 2) / 5 + 1,
        hour: time / 3600,
        minute: time / 60 % 60,
        second: time % 60,
    }
}

/// Eight random letters and digits, as wandb names its runs.
pub(super) fn run_id() -> String {
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
            let Date { year, month, day, hour, minute, second } = date(seconds);
            [year, month, day, hour, minute, second]
        };
        assert_eq!(of(0.0), [1970, 1, 1, 0, 0, 0]);
        assert_eq!(of(951_782_400.0), [2000, 2, 29, 0, 0, 0]);
        assert_eq!(of(1_795_432_341.9), [2026, 11, 23, 11, 12, 21]);
        assert_eq!(of(4_107_542_399.0), [2100, 2, 28, 23, 59, 59]);
    }

    #[test]
    fn names_fit_into_file_names() {
        assert!(!name().is_empty() && !name().contains(['/', '\\', ' ']));
        let (one, other) = (run_id(), run_id());
        assert!(one.len() == 8 && one.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()), "{one}");
        assert_ne!(one, other);
    }
}
