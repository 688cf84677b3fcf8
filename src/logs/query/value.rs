//! Values in queries, by the kind of their field, and which signs go with it.

use super::{Operator, Wanted};
use crate::logs::fields::{Field, FieldKind};
use crate::logs::response_flags::response_flag;
use crate::logs::time::parse_time;

/// The signs that go with values of a kind.
pub(super) fn signs(kind: FieldKind) -> impl Iterator<Item = &'static str> {
    said_of(kind).1.split(", ")
}

/// What a kind is called, and the signs that go with it.
fn said_of(kind: FieldKind) -> (&'static str, &'static str) {
    match kind {
        FieldKind::Text => ("text", "=, !=, ~, !~"),
        FieldKind::Flags => ("a list", "has, =, !=, ~, !~"),
        FieldKind::Number => ("a number", "=, !=, <, <=, >, >="),
        FieldKind::Millis => ("a time span", "=, !=, <, <=, >, >="),
        FieldKind::Time => ("a time", "=, !=, <, <=, >, >="),
    }
}

/// Why an operator cannot stand with a field.
pub(super) fn unfit(field: Field, operator: Operator) -> Option<String> {
    let (kind, has) = said_of(field.kind());
    let fits = signs(field.kind()).any(|sign| sign == operator.text());
    (!fits).then(|| {
        format!("{} is {kind} and cannot be asked with {}, only with {has}", field.name(), operator.text())
    })
}

/// The value that is asked for, or why it is none of that field's.
pub(super) fn wanted(field: Field, operator: Operator, value: &str, quoted: bool) -> Result<Wanted, String> {
    if value == "-" && !quoted {
        let compares = matches!(operator, Operator::Equal | Operator::Unequal);
        let what = || "- stands for no value and goes with = and != only; a dash itself is \"-\"".to_owned();
        return if compares { Ok(Wanted::Nothing) } else { Err(what()) };
    }
    match field.kind() {
        FieldKind::Text => Ok(Wanted::Text(value.to_owned())),
        FieldKind::Flags => {
            let is_known = |name: &str| response_flag(&name.to_ascii_uppercase()).is_some();
            match value.split(',').find(|name| !is_known(name)) {
                Some(name) if operator != Operator::Like && operator != Operator::Unlike && !quoted => Err(
                    format!("{name} is no response flag of Envoy; one of an extension stands in \"quotes\""),
                ),
                _ => Ok(Wanted::Text(value.to_owned())),
            }
        }
        FieldKind::Number => value
            .parse()
            .map(Wanted::Number)
            .map_err(|_error| format!("{} is a number, and {value} is none", field.name())),
        FieldKind::Millis => millis(value)
            .map(Wanted::Millis)
            .ok_or_else(|| format!("{value} is no time span such as 250ms, 1.5s or 2m")),
        FieldKind::Time => time(value)
            .map(Wanted::Time)
            .ok_or_else(|| format!("{value} is no time such as 2026-01-31T12:00:00Z")),
    }
}

/// A time whose year has four digits in UTC too, so that it can be written again.
fn time(text: &str) -> Option<i64> {
    const FIRST: i64 = -62_167_219_200_000_000;
    const LAST: i64 = 253_402_300_800_000_000;
    parse_time(text.as_bytes()).filter(|micros| (FIRST..LAST).contains(micros))
}

/// `250ms`, `1.5s`, `2m`, `1h30m`; a number alone is in milliseconds.
pub fn millis(text: &str) -> Option<u64> {
    if let Ok(number) = text.parse() {
        return Some(number);
    }
    let mut rest = text;
    let mut sum = 0_u64;
    while !rest.is_empty() {
        let (number, after) =
            rest.split_at(rest.find(|letter: char| !letter.is_ascii_digit() && letter != '.')?);
        let (unit, after) =
            after.split_at(after.find(|letter: char| !letter.is_ascii_lowercase()).unwrap_or(after.len()));
        let thousandths_of_unit = thousandths(number)?;
        let unit_millis: u64 = match unit {
            "ms" => 1,
            "s" => 1000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return None,
        };
        sum = sum.checked_add(thousandths_of_unit.checked_mul(unit_millis)? / 1000)?;
        rest = after;
    }
    (!text.is_empty()).then_some(sum)
}

/// A decimal number in thousandths.
fn thousandths(text: &str) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    if whole.is_empty() || fraction.is_empty() || fraction.len() > 3 {
        return None;
    }
    let digits = format!("{fraction:0<3}");
    whole.parse::<u64>().ok()?.checked_mul(1000)?.checked_add(digits.parse().ok()?)
}
