//! The argument of `%START_TIME(…)%`: a pattern such as `%d/%b/%Y:%H:%M:%S.%3f`, and times read by it.
//!
//! Envoy formats with `strftime`'s letters, those of Abseil (`%E3S`) and its own (`%s`, `%f`, `%3f`). What depends on
//! the language of the machine is not understood.

use crate::logs::time::seconds_of;

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Byte(u8),
    Year,
    YearOfCentury,
    Month,
    Day,
    /// Two places, a space for the first digit where it is zero.
    DayOrHour {
        hour: bool,
    },
    Hour,
    HourOfHalf,
    HalfOfDay,
    Minute,
    Second,
    /// So many digits behind the point.
    Fraction(u8),
    /// As many digits as there are behind the point.
    AnyFraction,
    Epoch,
    Zone,
    ZoneName,
    MonthName {
        long: bool,
    },
    WeekDay {
        long: bool,
    },
    DayOfYear,
}

/// A pattern of times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TimePattern {
    parts: Vec<Part>,
    /// Without a zone in the text the times are not in UTC.
    local: bool,
    /// What it writes is RFC 3339.
    pub(super) is_rfc3339: bool,
}

impl TimePattern {
    /// `None` where a letter is not understood.
    pub(super) fn compile(pattern: &str, local: bool) -> Option<Self> {
        let mut parts = Vec::new();
        add(pattern.as_bytes(), &mut parts)?;
        let is_rfc3339 = pattern == "%Y-%m-%dT%H:%M:%E3SZ";
        Some(Self { parts, local, is_rfc3339 })
    }

    /// How many bytes of the beginning of the text are a time, and which (microseconds since the epoch), if the
    /// pattern has all of it.
    pub(super) fn read(&self, text: &[u8]) -> Option<(usize, Option<i64>)> {
        let mut rest = text;
        let mut found = Found::default();
        let mut parts = self.parts.iter().peekable();
        while let Some(part) = parts.next() {
            let digits_follow = parts.peek().is_some_and(|next| next.begins_with_digit());
            rest = found.take(*part, rest, digits_follow)?;
        }
        Some((text.len() - rest.len(), found.micros(self.local)))
    }
}

/// The parts of a pattern; `%T` and the like stand for several.
fn add(mut rest: &[u8], parts: &mut Vec<Part>) -> Option<()> {
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'%' {
            parts.push(Part::Byte(byte));
            continue;
        }
        let (&letter, after) = rest.split_first()?;
        rest = after;
        match letter {
            b'%' => parts.push(Part::Byte(b'%')),
            b'n' => parts.push(Part::Byte(b'\n')),
            b't' => parts.push(Part::Byte(b'\t')),
            b'Y' => parts.push(Part::Year),
            b'y' => parts.push(Part::YearOfCentury),
            b'm' => parts.push(Part::Month),
            b'd' => parts.push(Part::Day),
            b'e' => parts.push(Part::DayOrHour { hour: false }),
            b'k' => parts.push(Part::DayOrHour { hour: true }),
            b'H' => parts.push(Part::Hour),
            b'I' => parts.push(Part::HourOfHalf),
            b'p' => parts.push(Part::HalfOfDay),
            b'M' => parts.push(Part::Minute),
            b'S' => parts.push(Part::Second),
            b'f' => parts.push(Part::Fraction(9)),
            b's' => parts.push(Part::Epoch),
            b'z' => parts.push(Part::Zone),
            b'Z' => parts.push(Part::ZoneName),
            b'b' | b'h' => parts.push(Part::MonthName { long: false }),
            b'B' => parts.push(Part::MonthName { long: true }),
            b'a' => parts.push(Part::WeekDay { long: false }),
            b'A' => parts.push(Part::WeekDay { long: true }),
            b'j' => parts.push(Part::DayOfYear),
            b'F' => add(b"%Y-%m-%d", parts)?,
            b'T' => add(b"%H:%M:%S", parts)?,
            b'R' => add(b"%H:%M", parts)?,
            b'D' => add(b"%m/%d/%y", parts)?,
            b'1'..=b'9' => {
                rest = rest.strip_prefix(b"f")?;
                parts.push(Part::Fraction(letter - b'0'));
            }
            b'E' => rest = add_extended(rest, parts)?,
            _ => return None,
        }
    }
    Some(())
}

/// What stands behind `%E`: `3S`, `*S`, `3f`, `*f`, `z`, `4Y`.
fn add_extended<'a>(rest: &'a [u8], parts: &mut Vec<Part>) -> Option<&'a [u8]> {
    let (added, rest): (&[Part], _) = match rest {
        [b'z', rest @ ..] => (&[Part::Zone], rest),
        [b'4', b'Y', rest @ ..] => (&[Part::Year], rest),
        [b'*', b'S', rest @ ..] => (&[Part::Second, Part::Byte(b'.'), Part::AnyFraction], rest),
        [b'*', b'f', rest @ ..] => (&[Part::AnyFraction], rest),
        [digits @ b'1'..=b'9', b'S', rest @ ..] => {
            (&[Part::Second, Part::Byte(b'.'), Part::Fraction(*digits - b'0')], rest)
        }
        [digits @ b'1'..=b'9', b'f', rest @ ..] => (&[Part::Fraction(*digits - b'0')], rest),
        _ => return None,
    };
    parts.extend_from_slice(added);
    Some(rest)
}

impl Part {
    fn begins_with_digit(self) -> bool {
        match self {
            Self::Byte(byte) => byte.is_ascii_digit(),
            Self::DayOrHour { .. }
            | Self::HalfOfDay
            | Self::Zone
            | Self::ZoneName
            | Self::MonthName { .. }
            | Self::WeekDay { .. } => false,
            Self::Year
            | Self::YearOfCentury
            | Self::Month
            | Self::Day
            | Self::Hour
            | Self::HourOfHalf
            | Self::Minute
            | Self::Second
            | Self::Fraction(_)
            | Self::AnyFraction
            | Self::Epoch
            | Self::DayOfYear => true,
        }
    }
}

/// What of a time has been read.
#[derive(Debug, Default)]
struct Found {
    year: Option<i64>,
    month: Option<i64>,
    day: Option<i64>,
    hour: Option<i64>,
    hour_of_half: Option<i64>,
    afternoon: Option<bool>,
    minute: Option<i64>,
    second: Option<i64>,
    micros: Option<i64>,
    epoch: Option<i64>,
    /// East of Greenwich, in seconds.
    offset: Option<i64>,
}

impl Found {
    /// Reads one part; what follows it is returned.
    fn take<'a>(&mut self, part: Part, text: &'a [u8], digits_follow: bool) -> Option<&'a [u8]> {
        let (field, digits) = match part {
            Part::Byte(byte) => return text.strip_prefix(&[byte]),
            Part::MonthName { long } => {
                let (number, rest) = name(&MONTHS, long, text)?;
                self.month = Some(number + 1);
                return Some(rest);
            }
            Part::WeekDay { long } => return Some(name(&DAYS, long, text)?.1),
            Part::HalfOfDay => {
                let (half, rest) = text.split_at_checked(2)?;
                self.afternoon = Some(if half.eq_ignore_ascii_case(b"PM") {
                    true
                } else if half.eq_ignore_ascii_case(b"AM") {
                    false
                } else {
                    return None;
                });
                return Some(rest);
            }
            Part::DayOrHour { hour } => {
                let padded = text.strip_prefix(b" ");
                let (number, rest) = number(padded.unwrap_or(text), if padded.is_some() { 1 } else { 2 })?;
                *(if hour { &mut self.hour } else { &mut self.day }) = Some(number);
                return Some(rest);
            }
            Part::Zone => {
                let (offset, rest) = zone(text)?;
                self.offset = Some(offset);
                return Some(rest);
            }
            Part::ZoneName => return self.zone_name(text),
            Part::Fraction(digits) => return self.fraction(text, usize::from(digits)),
            Part::AnyFraction => return self.fraction(text, digits_at(text)),
            // Ten digits last until 2286.
            Part::Epoch => (&mut self.epoch, if digits_follow { 10 } else { digits_at(text).min(12) }),
            Part::DayOfYear => return Some(number(text, 3)?.1),
            Part::Year => (&mut self.year, 4),
            Part::YearOfCentury => {
                let (number, rest) = number(text, 2)?;
                // As POSIX has it.
                self.year = Some(number + if number < 69 { 2000 } else { 1900 });
                return Some(rest);
            }
            Part::Month => (&mut self.month, 2),
            Part::Day => (&mut self.day, 2),
            Part::Hour => (&mut self.hour, 2),
            Part::HourOfHalf => (&mut self.hour_of_half, 2),
            Part::Minute => (&mut self.minute, 2),
            Part::Second => (&mut self.second, 2),
        };
        let (number, rest) = number(text, digits)?;
        *field = Some(number);
        Some(rest)
    }

    fn fraction<'a>(&mut self, text: &'a [u8], digits: usize) -> Option<&'a [u8]> {
        let (fraction, rest) = text.split_at_checked(digits)?;
        let six = fraction.iter().copied().chain(std::iter::repeat(b'0')).take(6);
        let all_digits = digits > 0 && fraction.iter().all(u8::is_ascii_digit);
        let micros = six.fold(0, |value, digit| value * 10 + i64::from(digit.wrapping_sub(b'0')));
        // The finer of two wins.
        self.micros = Some(self.micros.unwrap_or_default().max(micros)).filter(|_| all_digits);
        self.micros.map(|_| rest)
    }

    fn zone_name<'a>(&mut self, text: &'a [u8]) -> Option<&'a [u8]> {
        let takes = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'_' | b'/');
        let length = text.iter().take_while(|byte| takes(byte)).count();
        let (name, rest) = text.split_at_checked(length)?;
        match name {
            b"" => return None,
            b"UTC" | b"GMT" | b"Z" => self.offset = Some(0),
            _ => {}
        }
        Some(rest)
    }

    fn micros(&self, local: bool) -> Option<i64> {
        let micros = self.micros.unwrap_or_default();
        if let Some(epoch) = self.epoch {
            return Some(epoch * 1_000_000 + micros);
        }
        let half = || Some(self.hour_of_half? % 12 + if self.afternoon? { 12 } else { 0 });
        let hour = self.hour.or_else(half)?;
        let offset = if local { self.offset? } else { self.offset.unwrap_or_default() };
        let time = [hour, self.minute?, self.second.unwrap_or_default()];
        let seconds = seconds_of(self.year?, self.month?, self.day?, time)?;
        Some((seconds - offset) * 1_000_000 + micros)
    }
}

/// A number of exactly so many digits.
fn number(text: &[u8], digits: usize) -> Option<(i64, &[u8])> {
    let (digits, rest) = text.split_at_checked(digits)?;
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some((digits.iter().fold(0, |value, digit| value * 10 + i64::from(digit - b'0')), rest))
}

fn digits_at(text: &[u8]) -> usize {
    text.iter().take_while(|byte| byte.is_ascii_digit()).count()
}

fn name<'a>(names: &[&str], long: bool, text: &'a [u8]) -> Option<(i64, &'a [u8])> {
    (0..).zip(names).find_map(|(number, name)| {
        let name = if long { name.as_bytes() } else { name.as_bytes().get(..3)? };
        let (found, rest) = text.split_at_checked(name.len())?;
        found.eq_ignore_ascii_case(name).then_some((number, rest))
    })
}

/// `Z`, `+0200` or `+02:00`, in seconds.
fn zone(text: &[u8]) -> Option<(i64, &[u8])> {
    let (sign, rest) = match *text.first()? {
        b'Z' => return Some((0, text.get(1..)?)),
        b'+' => (1, text.get(1..)?),
        b'-' => (-1, text.get(1..)?),
        _ => return None,
    };
    let (hours, rest) = number(rest, 2)?;
    let (minutes, rest) = number(rest.strip_prefix(b":").unwrap_or(rest), 2)?;
    Some((sign * (hours * 3600 + minutes * 60), rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logs::format_time;

    fn read(pattern: &str, text: &str) -> String {
        let Some(compiled) = TimePattern::compile(pattern, false) else { return "not understood".to_owned() };
        match compiled.read(text.as_bytes()) {
            Some((length, time)) => {
                format!("{length} {}", time.map_or("unknown".to_owned(), format_time))
            }
            None => "not read".to_owned(),
        }
    }

    #[test]
    fn patterns_of_envoys_documentation_and_others() {
        for (pattern, text, wanted) in [
            ("%s.%3f", "1527590590.528 x", "14 2018-05-29T10:43:10.528Z"),
            ("%s%3f", "1527590590528", "13 2018-05-29T10:43:10.528Z"),
            ("%s", "1527590590", "10 2018-05-29T10:43:10.000Z"),
            ("%Y/%m/%dT%H:%M:%S%z %s", "2018/05/29T12:43:10+0200 1527590590", "35 2018-05-29T10:43:10.000Z"),
            ("%Y/%m/%dT%H:%M:%S%z", "2018/05/29T12:43:10+0200", "24 2018-05-29T10:43:10.000Z"),
            ("%d/%b/%Y:%H:%M:%S.%6f %Z", "29/May/2018:10:43:10.528001 UTC", "31 2018-05-29T10:43:10.528Z"),
            ("%a, %e %B %y %I:%M:%S %p", "Tue,  9 October 18 12:03:10 PM", "30 2018-10-09T12:03:10.000Z"),
            ("%FT%T.%f", "2018-05-29T10:43:10.528000000", "29 2018-05-29T10:43:10.528Z"),
            ("%Y-%m-%dT%H:%M:%E3S%Ez", "2018-05-29T10:43:10.528-01:00", "29 2018-05-29T11:43:10.528Z"),
            ("%H:%M:%S", "10:43:10", "8 unknown"),
            ("%d/%b/%Y", "31/Foo/2018", "not read"),
            ("%s", "now", "not read"),
            ("%c", "", "not understood"),
            ("%", "", "not understood"),
        ] {
            assert_eq!(read(pattern, text), wanted, "{pattern} {text}");
        }
    }

    #[test]
    fn a_local_time_without_zone_is_not_known() {
        let pattern = TimePattern::compile("%F %T", true).unwrap();
        assert_eq!(pattern.read(b"2018-05-29 10:43:10"), Some((19, None)));
        let pattern = TimePattern::compile("%F %T%z", true).unwrap();
        assert!(pattern.read(b"2018-05-29 10:43:10+0000").unwrap().1.is_some());
    }
}
