//! Times in log lines: RFC 3339 text to microseconds since the epoch, and back.
//!
//! Envoy's default `%START_TIME%` is `2019-10-07T21:54:37.175Z`; that shape is read without branches. Any other RFC
//! 3339 text (offset, more or fewer digits) is read too. Custom time layouts are not.

use std::fmt;

const MICROS_PER_SECOND: i64 = 1_000_000;
const SECONDS_PER_DAY: i64 = 86_400;

/// Microseconds since 1970-01-01T00:00:00Z. Digits of the fraction behind the sixth are cut off.
///
/// `None` where the text is not an RFC 3339 time.
#[inline]
pub fn parse_time(text: &[u8]) -> Option<i64> {
    parse_default(text).or_else(|| parse_rfc3339(text))
}

/// `YYYY-MM-DDTHH:MM:SS.mmmZ`.
#[inline]
fn parse_default(text: &[u8]) -> Option<i64> {
    let (date_time, &[b'.', f1, f2, f3, b'Z']) = text.split_first_chunk()? else { return None };
    if ![f1, f2, f3].iter().all(u8::is_ascii_digit) {
        return None;
    }
    let millis = i64::from(f1 - b'0') * 100 + two(f2, f3);
    Some(date_time_of(date_time)? * MICROS_PER_SECOND + millis * 1000)
}

fn parse_rfc3339(text: &[u8]) -> Option<i64> {
    let (date_time, rest) = text.split_first_chunk()?;
    let seconds = date_time_of(date_time)?;
    let (micros, rest) = match rest.split_first() {
        Some((b'.', fraction)) => fraction_of(fraction)?,
        _ => (0, rest),
    };
    Some((seconds - offset_of(rest)?) * MICROS_PER_SECOND + micros)
}

/// `YYYY-MM-DDTHH:MM:SS` as seconds since the epoch, if it were in UTC.
#[inline]
fn date_time_of(text: &[u8; 19]) -> Option<i64> {
    let &[y1, y2, y3, y4, b'-', mo1, mo2, b'-', d1, d2, b'T' | b't', h1, h2, b':', mi1, mi2, b':', s1, s2] =
        text
    else {
        return None;
    };
    let digits = [y1, y2, y3, y4, mo1, mo2, d1, d2, h1, h2, mi1, mi2, s1, s2];
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    seconds_of(
        two(y1, y2) * 100 + two(y3, y4),
        two(mo1, mo2),
        two(d1, d2),
        [two(h1, h2), two(mi1, mi2), two(s1, s2)],
    )
}

/// The digits behind the point as microseconds, and what follows them.
fn fraction_of(text: &[u8]) -> Option<(i64, &[u8])> {
    let length = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if length == 0 {
        return None;
    }
    let (digits, rest) = text.split_at_checked(length)?;
    let six = digits.iter().copied().chain(std::iter::repeat(b'0')).take(6);
    Some((six.fold(0, |value, digit| value * 10 + i64::from(digit - b'0')), rest))
}

/// `Z` or `+HH:MM`, in seconds.
fn offset_of(text: &[u8]) -> Option<i64> {
    match *text {
        [b'Z' | b'z'] => Some(0),
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] if [h1, h2, m1, m2].iter().all(u8::is_ascii_digit) => {
            let (hours, minutes) = (two(h1, h2), two(m1, m2));
            if hours > 23 || minutes > 59 {
                return None;
            }
            let seconds = hours * 3600 + minutes * 60;
            Some(if sign == b'-' { -seconds } else { seconds })
        }
        _ => None,
    }
}

fn two(tens: u8, ones: u8) -> i64 {
    i64::from(tens - b'0') * 10 + i64::from(ones - b'0')
}

/// Seconds since the epoch of a date and a time of day in UTC; `None` where there is no such day or time.
#[inline]
pub(super) fn seconds_of(year: i64, month: i64, day: i64, [hour, minute, second]: [i64; 3]) -> Option<i64> {
    // A leap second is 60 and lands on the next minute, as Unix time has it.
    if hour > 23 || minute > 59 || second > 60 || day < 1 || day > days_in(year, month)? {
        return None;
    }
    Some(days_from_civil(year, month, day) * SECONDS_PER_DAY + hour * 3600 + minute * 60 + second)
}

fn days_in(year: i64, month: i64) -> Option<i64> {
    Some(match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => return None,
    })
}

/// Days since the epoch in the proleptic Gregorian calendar, by Howard Hinnant's method: years are counted from
/// March, so that the leap day is the last of its year. <https://howardhinnant.github.io/date_algorithms.html>
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// The inverse of [`days_from_civil`]: year, month, day.
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day_of_year - (153 * shifted + 2) / 5 + 1)
}

/// A time in microseconds since the epoch, written as RFC 3339 in UTC with milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rfc3339(pub i64);

impl fmt::Display for Rfc3339 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.div_euclid(MICROS_PER_SECOND);
        let millis = self.0.rem_euclid(MICROS_PER_SECOND) / 1000;
        let (year, month, day) = civil_from_days(seconds.div_euclid(SECONDS_PER_DAY));
        let of_day = seconds.rem_euclid(SECONDS_PER_DAY);
        let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
    }
}

/// The text of [`Rfc3339`].
pub fn format_time(micros: i64) -> String {
    Rfc3339(micros).to_string()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_default_layout() {
        assert_eq!(parse_time(b"1970-01-01T00:00:00.001Z"), Some(1000));
        assert_eq!(parse_time(b"2019-10-07T21:54:37.175Z"), Some(1_570_485_277_175_000));
        assert_eq!(
            parse_time(b"2000-02-29T12:00:00.000Z").map(format_time).unwrap(),
            "2000-02-29T12:00:00.000Z"
        );
    }

    #[test]
    fn any_offset_and_any_number_of_digits() {
        let wanted = Some(1_570_485_277_175_000);
        for text in [
            "2019-10-07T23:54:37.175+02:00",
            "2019-10-07T16:24:37.175000000-05:30",
            "2019-10-07t21:54:37.1750000001z",
        ] {
            assert_eq!(parse_time(text.as_bytes()), wanted, "{text}");
        }
        assert_eq!(parse_time(b"2019-10-07T21:54:37Z"), Some(1_570_485_277_000_000));
        assert_eq!(parse_time(b"2016-12-31T23:59:60.000Z"), parse_time(b"2017-01-01T00:00:00.000Z"));
        assert_eq!(parse_time(b"1969-12-31T23:59:59.9Z"), Some(-100_000));
    }

    #[test]
    fn what_is_no_time() {
        for text in [
            "",
            "-",
            "2019-10-07",
            "2019-13-07T21:54:37.175Z",
            "2019-02-29T21:54:37.175Z",
            "2019-10-07T24:54:37.175Z",
            "2019-10-07T21:54:37.175",
            "2019-10-07T21:54:37.Z",
            "2019-10-07T21:54:37.175+2:00",
            "..T20:38:18.610Z",
            "2019-10-07T21:54:37.175+24:00",
            "201\u{661}-10-07T21:54:37.175Z",
        ] {
            assert_eq!(parse_time(text.as_bytes()), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn there_and_back(millis in -62_135_596_800_000_i64..253_402_300_800_000) {
            let text = format_time(millis * 1000);
            prop_assert_eq!(parse_time(text.as_bytes()), Some(millis * 1000));
            prop_assert_eq!(parse_rfc3339(text.as_bytes()), Some(millis * 1000));
        }

        #[test]
        fn never_a_panic(text in proptest::collection::vec(any::<u8>(), 0..40)) {
            parse_time(&text);
        }
    }
}
