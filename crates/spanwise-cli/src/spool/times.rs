//! Times of spans: as the command prints them, and as arguments have them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The accepted times of `--since` and `--until`.
pub(super) const ACCEPTED: &str = "an age such as 90s, 15m, 2h or 3d is accepted, or a time such as \
                                   2026-11-29T15:04:05Z";

const DAY: u64 = 86_400;

/// A time in nanoseconds since the Unix epoch: `2026-11-29T15:04:05Z`, with a fraction or not, or an age before
/// `now`.
pub(super) fn parse(text: &str, now: SystemTime) -> Option<u64> {
    let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    if let Some(digits) = text.strip_suffix(['s', 'm', 'h', 'd'])
        && digits.bytes().all(|it| it.is_ascii_digit())
    {
        let seconds = match text.as_bytes().last()? {
            b's' => 1,
            b'm' => 60,
            b'h' => 3600,
            _ => DAY,
        };
        let age = digits.parse::<u64>().ok()?.checked_mul(seconds)?;
        return nanos(now.saturating_sub(Duration::from_secs(age)));
    }
    let (date, time) = text.strip_suffix(['Z', 'z'])?.split_once(['T', 't'])?;
    let [year, month, day] = numbers(date, '-', [4, 2, 2])?;
    let (time, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let [hour, minute, second] = numbers(time, ':', [2, 2, 2])?;
    let is_time = hour < 24 && minute < 60 && second < 60;
    let is_fraction =
        (1..=9).contains(&fraction.len()) && fraction.bytes().all(|it| it.is_ascii_digit());
    if !is_time || !is_fraction {
        return None;
    }
    let fraction = format!("{fraction:0<9}").parse::<u64>().ok()?;
    let seconds = days(year, month, day)? * DAY + hour * 3600 + minute * 60 + second;
    seconds.checked_mul(1_000_000_000)?.checked_add(fraction)
}

fn nanos(time: Duration) -> Option<u64> {
    u64::try_from(time.as_nanos()).ok()
}

/// Three numbers with these counts of digits.
fn numbers(text: &str, separator: char, digits: [usize; 3]) -> Option<[u64; 3]> {
    let mut parts = text.split(separator);
    let mut numbers = [0; 3];
    for (number, digits) in numbers.iter_mut().zip(digits) {
        let part = parts.next().filter(|part| part.len() == digits)?;
        *number = part.bytes().all(|it| it.is_ascii_digit()).then(|| part.parse().ok())??;
    }
    parts.next().is_none().then_some(numbers)
}

/// Days from 1970-01-01 to a date of the Gregorian calendar; `None` for no date, and for one before.
fn days(year: u64, month: u64, day: u64) -> Option<u64> {
    let is_leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let february = if is_leap { 29 } else { 28 };
    let months = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let month = usize::try_from(month).ok()?.checked_sub(1)?;
    if year < 1970 || !(1..=*months.get(month)?).contains(&day) {
        return None;
    }
    let before = year - 1;
    let years = (year - 1970) * 365 + (before / 4 - before / 100 + before / 400) - 477;
    Some(years + months.iter().take(month).sum::<u64>() + day - 1)
}

/// A time as `2026-11-29T15:04:05.123456789Z`; `-` for 0.
pub(super) fn print(unix_nanos: u64) -> String {
    if unix_nanos == 0 {
        return "-".to_owned();
    }
    format!("{}.{:09}Z", seconds(unix_nanos / 1_000_000_000), unix_nanos % 1_000_000_000)
}

/// A time as `2026-11-29T15:04:05Z`; `-` for 0.
pub(super) fn print_seconds(unix_nanos: u64) -> String {
    match unix_nanos {
        0 => "-".to_owned(),
        _ => format!("{}Z", seconds(unix_nanos / 1_000_000_000)),
    }
}

fn seconds(unix_seconds: u64) -> String {
    let (mut days, time) = (unix_seconds / DAY, unix_seconds % DAY);
    let mut year = 1970;
    let length = |year: u64| if self::days(year, 2, 29).is_some() { 366 } else { 365 };
    while days >= length(year) {
        days -= length(year);
        year += 1;
    }
    let first = |month| self::days(year, month, 1).unwrap_or(u64::MAX);
    let date = first(1) + days;
    let month = (1..=12).rev().find(|month| first(*month) <= date).unwrap_or(1);
    let day = date - first(month) + 1;
    let (hour, minute, second) = (time / 3600, time / 60 % 60, time % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_read_as_it_is_printed() {
        let cases = [
            (1, "1970-01-01T00:00:00.000000001Z"),
            (951_782_400_000_000_000, "2000-02-29T00:00:00.000000000Z"),
            (951_868_799_999_999_999, "2000-02-29T23:59:59.999999999Z"),
            (1_795_964_645_120_000_000, "2026-11-29T15:04:05.120000000Z"),
            (4_107_542_399_000_000_000, "2100-02-28T23:59:59.000000000Z"),
            (4_107_542_400_000_000_000, "2100-03-01T00:00:00.000000000Z"),
            (u64::MAX, "2554-07-21T23:34:33.709551615Z"),
        ];
        for (nanos, text) in cases {
            assert_eq!(print(nanos), text);
            assert_eq!(parse(text, UNIX_EPOCH), Some(nanos), "{text}");
        }
        assert_eq!(print_seconds(951_868_799_999_999_999), "2000-02-29T23:59:59Z");
        assert_eq!((print(0), print_seconds(0)), ("-".to_owned(), "-".to_owned()));
        assert_eq!(parse("2026-11-29T15:04:05Z", UNIX_EPOCH), Some(1_795_964_645_000_000_000));
        assert_eq!(parse("2026-11-29t15:04:05.5z", UNIX_EPOCH), Some(1_795_964_645_500_000_000));
    }

    #[test]
    fn an_age_is_before_now() {
        let now = UNIX_EPOCH + Duration::from_secs(1_000_000);
        let second = 1_000_000_000;
        assert_eq!(parse("0s", now), Some(1_000_000 * second));
        assert_eq!(parse("90s", now), Some(999_910 * second));
        assert_eq!(parse("2m", now), Some(999_880 * second));
        assert_eq!(parse("2h", now), Some(992_800 * second));
        assert_eq!(parse("3d", now), Some(740_800 * second));
        assert_eq!(parse("9999d", now), Some(0));
    }

    #[test]
    fn other_texts_are_no_times() {
        for text in [
            "",
            "s",
            "5",
            "-5m",
            "5 m",
            "5w",
            "99999999999999999999s",
            "2026-11-29",
            "2026-11-29T15:04:05",
            "2026-11-29T15:04:05+01:00",
            "2026-13-01T00:00:00Z",
            "2026-02-29T00:00:00Z",
            "2026-00-01T00:00:00Z",
            "2026-01-00T00:00:00Z",
            "1969-12-31T00:00:00Z",
            "2026-11-29T24:00:00Z",
            "2026-11-29T00:60:00Z",
            "2026-11-29T00:00:60Z",
            "2026-11-29T00:00:00.Z",
            "2026-11-29T00:00:00.1234567890Z",
            "2026-11-29T0:00:00Z",
            "2026-11-29T00:00:00:00Z",
            "9999-11-29T00:00:00Z",
            "+026-11-29T00:00:00Z",
        ] {
            assert_eq!(parse(text, UNIX_EPOCH), None, "{text}");
        }
    }
}
