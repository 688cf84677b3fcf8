//! Reads a line by a compiled format.
//!
//! Envoy escapes nothing in text, so values of callers may hold what stands between fields. A reading is a way to cut
//! the line into literals and values; a line can have several. All are looked at, without listing them: for every
//! step of the format, the set of places where it can begin is computed from the left end, and those from which the
//! rest does not fit are taken out from the right end. A value is what it is in every reading, or it is not told:
//! so no text of a caller moves a field behind it.

use super::compile::{LogFormat, Missing, Step};
use super::few::Found;
use super::field::{Field, Shape, Target};
use crate::logs::access_line::{AccessLine, Format};
use crate::logs::response_flags::FlagSet;

/// Lines longer than this are not looked at in every way.
const LONGEST: usize = 256 * 1024;

/// The values of a line, one for each field of the format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading<'a> {
    /// The values in the order of the fields; `None` where readings differ.
    pub values: Vec<Option<&'a [u8]>>,
}

/// The places of a line between bytes where a step can begin.
type Places = Vec<bool>;

impl LogFormat {
    /// Reads a line (without its line feed). `None` where the format did not write it, or where its caller wrote so
    /// much into it that what the proxy says cannot be told.
    pub fn read<'a>(&self, line: &'a [u8]) -> Option<AccessLine<'a>> {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let mut access = AccessLine::empty(Format::Custom);
        if let Some(row) = &self.row
            && row.read(line, &mut access).is_some()
        {
            return Some(access);
        }
        self.read_every_way(line, AccessLine::empty(Format::Custom))
    }

    /// Reads a text into a line that may have other fields already.
    pub(super) fn read_into<'a>(&self, text: &'a [u8], access: &mut AccessLine<'a>) -> Option<()> {
        let before = *access;
        let forced = self.row.as_ref().and_then(|row| row.read(text, access));
        if forced.is_none() {
            *access = self.read_every_way(text, before)?;
        }
        Some(())
    }

    #[cold]
    fn read_every_way<'a>(&self, text: &'a [u8], mut access: AccessLine<'a>) -> Option<AccessLine<'a>> {
        for (field, value) in self.fields().zip(self.every_reading(text)?.values) {
            match value {
                Some(value) => set(&mut access, field, value),
                None if field.target.is_some_and(Target::decides) => return None,
                None => access.ambiguous = true,
            }
        }
        Some(access)
    }

    /// The values of a line; `None` where the format did not write it.
    pub fn values<'a>(&self, line: &'a [u8]) -> Option<Reading<'a>> {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let mut values = Vec::new();
        let forced = self.cut.as_ref().and_then(|cut| {
            cut.read(line, &mut |_, value| {
                values.push(Some(value));
                Some(())
            })
        });
        if forced.is_some() { Some(Reading { values }) } else { self.every_reading(line) }
    }

    fn every_reading<'a>(&self, line: &'a [u8]) -> Option<Reading<'a>> {
        match self.row.as_ref().map_or(Found::TooMany, |row| row.every_reading(line)) {
            Found::Values(values) => Some(Reading { values }),
            Found::Nothing => None,
            Found::TooMany => self.careful(line),
        }
    }

    /// Whether a text begins and ends as the format does: most texts of others do not.
    fn has_its_ends(&self, line: &[u8]) -> bool {
        let literal = |step: Option<&Step>, is: fn(&[u8], &[u8]) -> bool| match step {
            Some(Step::Literal(text)) => is(line, text),
            Some(Step::Field(_)) | None => true,
        };
        literal(self.steps.first(), <[u8]>::starts_with) && literal(self.steps.last(), <[u8]>::ends_with)
    }

    /// Every reading.
    #[cold]
    pub(super) fn careful<'a>(&self, line: &'a [u8]) -> Option<Reading<'a>> {
        if line.len() > LONGEST || !self.has_its_ends(line) {
            return None;
        }
        let mut starts = vec![false; line.len() + 1];
        *starts.first_mut()? = true;
        let mut places = vec![starts];
        for step in &self.steps {
            let next = forward(step, line, places.last()?);
            if !next.contains(&true) {
                return None;
            }
            places.push(next);
        }
        let mut ends = vec![false; line.len() + 1];
        *ends.last_mut()? = *places.last()?.last()?;
        // From here on each set holds only what is part of a whole reading.
        let mut values = Vec::new();
        let mut end = only(&ends);
        for (step, before) in self.steps.iter().rev().zip(places.iter().rev().skip(1)) {
            let mut begins = backward(step, line, &ends);
            for (begin, reached) in begins.iter_mut().zip(before) {
                *begin = *begin && *reached;
            }
            if !begins.contains(&true) {
                return None;
            }
            let begin = only(&begins);
            if let Step::Field(field) = step {
                values.push(match (begin, end) {
                    (Some(begin), Some(end)) => {
                        let value = line.get(begin..end)?;
                        if !field.is_missing(value) && !field.shape.is_value(value) {
                            return None;
                        }
                        Some(value)
                    }
                    _ => None,
                });
            }
            (ends, end) = (begins, begin);
        }
        values.reverse();
        Some(Reading { values })
    }
}

/// The place, if there is only one.
fn only(places: &[bool]) -> Option<usize> {
    let mut found = (0..).zip(places).filter(|(_, is)| **is).map(|(at, _)| at);
    found.next().filter(|_| found.next().is_none())
}

/// Where a step can end that begins at those places.
fn forward(step: &Step, line: &[u8], from: &[bool]) -> Places {
    let mut to = vec![false; from.len()];
    let starts = || (0_usize..).zip(from).filter(|(_, is)| **is).map(|(at, _)| at);
    let field = match step {
        Step::Literal(text) => {
            for at in starts().filter(|at| line.get(*at..).is_some_and(|rest| rest.starts_with(text))) {
                mark(&mut to, at + text.len());
            }
            return to;
        }
        Step::Field(field) => field,
    };
    for at in starts() {
        if line.get(at) == Some(&b'-') {
            mark(&mut to, at + 1);
        }
        if field.missing == Missing::Nothing {
            mark(&mut to, at);
        }
    }
    if let Shape::Time(pattern) = &field.shape {
        for at in starts() {
            if let Some((length, _)) = line.get(at..).and_then(|rest| pattern.read(rest)) {
                mark(&mut to, at + length);
            }
        }
        return to;
    }
    let (least, most) = field.lengths();
    let mut start: Option<usize> = None;
    for (at, is) in from.iter().enumerate() {
        if start.is_some_and(|start| at - start <= most) || *is && least == 0 {
            mark(&mut to, at);
        }
        // The latest start is the one from which most can be reached.
        if *is {
            start = Some(at);
        }
        if line.get(at).is_none_or(|byte| !field.shape.takes(*byte)) {
            start = None;
        }
    }
    to
}

/// Where a step can begin that ends at those places.
fn backward(step: &Step, line: &[u8], to: &[bool]) -> Places {
    let mut from = vec![false; to.len()];
    let field = match step {
        Step::Literal(text) => {
            for (at, is) in from.iter_mut().enumerate() {
                *is = to.get(at + text.len()) == Some(&true)
                    && line.get(at..).is_some_and(|rest| rest.starts_with(text));
            }
            return from;
        }
        Step::Field(field) => field,
    };
    let (least, most) = field.lengths();
    let mut end: Option<usize> = None;
    for (at, is) in from.iter_mut().enumerate().rev() {
        let byte = line.get(at);
        if byte.is_none_or(|byte| !field.shape.takes(*byte)) {
            end = None;
        }
        let is_end = to.get(at) == Some(&true);
        let dash = byte == Some(&b'-') && to.get(at + 1) == Some(&true);
        let value = if let Shape::Time(pattern) = &field.shape {
            let time = line.get(at..).and_then(|rest| pattern.read(rest));
            time.is_some_and(|(length, _)| to.get(at + length) == Some(&true))
        } else {
            end.is_some_and(|end| end - at <= most) || is_end && least == 0
        };
        *is = dash || value || is_end && field.missing == Missing::Nothing;
        if is_end {
            end = Some(at);
        }
    }
    from
}

fn mark(places: &mut [bool], at: usize) {
    if let Some(place) = places.get_mut(at) {
        *place = true;
    }
}

/// Takes a value over.
pub(super) fn set<'a>(line: &mut AccessLine<'a>, field: &Field, value: &'a [u8]) {
    let Some(target) = field.target else { return };
    // What is left out says the same as a dash.
    let value = if field.is_missing(value) { b"-" } else { value };
    if field.may_be_cut(value) && !target.may_be_cut() {
        return;
    }
    match target {
        Target::StartTime => {
            line.start_time = Some(value);
            if let Shape::Time(pattern) = &field.shape
                && !pattern.is_rfc3339
            {
                line.time = pattern.read(value).and_then(|(_, time)| time);
            }
        }
        Target::ResponseFlags => {
            line.response_flags = Some(value);
            let is_long = field.shape == Shape::LongFlags;
            line.flags = if is_long { FlagSet::parse_long(value) } else { FlagSet::parse(value) };
        }
        Target::ResponseCode
        | Target::BytesReceived
        | Target::BytesSent
        | Target::Duration
        | Target::UpstreamServiceTime => set_number(line, target, number(value)),
        Target::Method
        | Target::Path
        | Target::Protocol
        | Target::ResponseCodeDetails
        | Target::ConnectionTerminationDetails
        | Target::UpstreamTransportFailureReason
        | Target::XForwardedFor
        | Target::UserAgent
        | Target::RequestId
        | Target::Authority
        | Target::UpstreamHost
        | Target::UpstreamCluster
        | Target::UpstreamLocalAddress
        | Target::DownstreamLocalAddress
        | Target::DownstreamRemoteAddress
        | Target::RequestedServerName
        | Target::RouteName => set_text(line, target, value),
    }
}

/// Takes a text over, where the target is one.
#[inline]
pub(in crate::logs) fn set_text<'a>(line: &mut AccessLine<'a>, target: Target, value: &'a [u8]) {
    let field = match target {
        Target::Method => &mut line.method,
        Target::Path => &mut line.path,
        Target::Protocol => &mut line.protocol,
        Target::ResponseCodeDetails => &mut line.response_code_details,
        Target::ConnectionTerminationDetails => &mut line.connection_termination_details,
        Target::UpstreamTransportFailureReason => &mut line.upstream_transport_failure_reason,
        Target::XForwardedFor => &mut line.x_forwarded_for,
        Target::UserAgent => &mut line.user_agent,
        Target::RequestId => &mut line.request_id,
        Target::Authority => &mut line.authority,
        Target::UpstreamHost => &mut line.upstream_host,
        Target::UpstreamCluster => &mut line.upstream_cluster,
        Target::UpstreamLocalAddress => &mut line.upstream_local_address,
        Target::DownstreamLocalAddress => &mut line.downstream_local_address,
        Target::DownstreamRemoteAddress => &mut line.downstream_remote_address,
        Target::RequestedServerName => &mut line.requested_server_name,
        Target::RouteName => &mut line.route_name,
        Target::StartTime
        | Target::ResponseFlags
        | Target::ResponseCode
        | Target::BytesReceived
        | Target::BytesSent
        | Target::Duration
        | Target::UpstreamServiceTime => return,
    };
    *field = Some(value);
}

/// Takes a number over, where the target is one.
#[inline]
pub(in crate::logs) fn set_number(line: &mut AccessLine<'_>, target: Target, value: Option<u64>) {
    match target {
        Target::ResponseCode => line.response_code = value.and_then(|code| code.try_into().ok()),
        Target::BytesReceived => line.bytes_received = value,
        Target::BytesSent => line.bytes_sent = value,
        Target::Duration => line.duration = value,
        Target::UpstreamServiceTime => line.upstream_service_time = value,
        Target::StartTime
        | Target::ResponseFlags
        | Target::Method
        | Target::Path
        | Target::Protocol
        | Target::ResponseCodeDetails
        | Target::ConnectionTerminationDetails
        | Target::UpstreamTransportFailureReason
        | Target::XForwardedFor
        | Target::UserAgent
        | Target::RequestId
        | Target::Authority
        | Target::UpstreamHost
        | Target::UpstreamCluster
        | Target::UpstreamLocalAddress
        | Target::DownstreamLocalAddress
        | Target::DownstreamRemoteAddress
        | Target::RequestedServerName
        | Target::RouteName => {}
    }
}

/// A decimal number; Envoy's counters have no more than twenty digits.
#[inline]
fn number(value: &[u8]) -> Option<u64> {
    if value.is_empty() || value.len() > 19 {
        return std::str::from_utf8(value).ok()?.parse().ok();
    }
    value.iter().try_fold(0, |number, byte| {
        byte.is_ascii_digit().then(|| number * 10 + u64::from(byte.wrapping_sub(b'0')))
    })
}
