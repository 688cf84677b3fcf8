//! The cause of a line: that of lines alike where they have one, else that of its request, by the lines of both sides.

use std::collections::HashMap;

use super::text;
use crate::correlate::{Cause, Part};
use crate::logs::{Aggregate, Field, GroupIndex, Limits, Seen};

/// What is known of lines alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    /// No cause.
    Not,
    /// The cause of all of them, by its place.
    One(usize),
    /// They have several, or only some of them have one; by the place among [`Told::several`].
    OneOf(usize),
}

/// The causes of groups of lines.
#[derive(Debug, Default)]
pub(super) struct Told {
    by_group: HashMap<GroupIndex, Known>,
    several: Vec<Vec<usize>>,
    /// The causes that rest on a join, by the groups of both sides.
    joined: HashMap<(GroupIndex, GroupIndex), Vec<usize>>,
}

impl Told {
    pub(super) fn new(causes: &[Cause], logs: &Aggregate) -> Self {
        let mut places: HashMap<GroupIndex, Vec<usize>> = HashMap::new();
        let mut counts: HashMap<GroupIndex, u64> = HashMap::new();
        let mut joined: HashMap<_, Vec<usize>> = HashMap::new();
        let add = |places: &mut Vec<usize>, at| {
            if !places.contains(&at) {
                places.push(at);
            }
        };
        for (at, cause) in causes.iter().enumerate() {
            for group in &cause.groups {
                add(places.entry(*group).or_default(), at);
            }
            for Part { group, count, other } in &cause.parts {
                *counts.entry(*group).or_default() += count;
                if let Some(other) = other {
                    add(joined.entry((*group, *other)).or_default(), at);
                }
            }
        }
        // Of a group that has one cause some lines may have none.
        let whole: HashMap<GroupIndex, u64> = logs.groups().map(|group| (group.index, group.count)).collect();
        let is_all = |group: &GroupIndex| {
            counts.get(group).zip(whole.get(group)).is_none_or(|(told, count)| told >= count)
        };
        let mut told = Self { joined, ..Self::default() };
        for (group, places) in places {
            let known = match places.as_slice() {
                [one] if is_all(&group) => Known::One(*one),
                _ => {
                    told.several.push(places);
                    Known::OneOf(told.several.len().saturating_sub(1))
                }
            };
            told.by_group.insert(group, known);
        }
        told
    }

    pub(super) fn of(&self, group: GroupIndex) -> Known {
        self.by_group.get(&group).copied().unwrap_or(Known::Not)
    }

    pub(super) fn several(self) -> Vec<Vec<usize>> {
        self.several
    }

    /// The cause of a request whose lines are of these groups at client and server.
    fn of_request(&self, client: GroupIndex, server: GroupIndex) -> Option<usize> {
        if let Some(causes) = self.joined.get(&(client, server)) {
            let [one] = causes.as_slice() else { return None };
            return Some(*one);
        }
        // What is told of all lines of one side is told of the request, unless the other side's tell something else.
        match (self.of(client), self.of(server)) {
            (Known::One(one), Known::Not) | (Known::Not, Known::One(one)) => Some(one),
            (Known::One(one), Known::One(other)) if one == other => Some(one),
            (Known::One(_) | Known::Not | Known::OneOf(_), _) => None,
        }
    }
}

/// What the lines of both sides of a request, or of a connection, have in common.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct RequestKey {
    /// Whether it is a connection: callers choose ids as they like, and could choose an address.
    is_connection: bool,
    /// The request id; of a connection the client's address.
    id: String,
    /// The server's address.
    server: Option<String>,
}

/// What tells the request of a line, and whether the client wrote it. As joins have it: a chain of calls has one id, so
/// the server's address belongs to it; connections have no id.
pub(super) fn request_of(seen: &Seen<'_>, side: &str) -> Vec<(RequestKey, bool)> {
    let (is_client, own, server) = match side {
        "client" => (true, Field::UpstreamLocalAddress, Field::UpstreamHost),
        "server" => (false, Field::DownstreamRemoteAddress, Field::DownstreamLocalAddress),
        _ => return Vec::new(),
    };
    let server = text(seen, server);
    let id = text(seen, Field::RequestId);
    // Of one connection a client may have many lines: only what failed before any request has no id at the server.
    let connection = text(seen, own).filter(|_| server.is_some() && (is_client || id.is_none()));
    let id = id.map(|id| (false, id));
    let both = id.into_iter().chain(connection.map(|client| (true, client)));
    both.map(|(is_connection, id)| (RequestKey { is_connection, id, server: server.clone() }, is_client))
        .collect()
}

/// A line of a request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Line {
    /// Its row, where it has one.
    pub(super) place: Option<usize>,
    /// Its group.
    pub(super) group: Option<GroupIndex>,
    /// Its time.
    pub(super) time: Option<i64>,
}

#[derive(Debug, Default)]
struct Sides {
    client: Vec<Line>,
    server: Vec<Line>,
}

/// The lines of requests that may have failed.
#[derive(Debug, Default)]
pub(super) struct Requests(HashMap<RequestKey, Sides>);

impl Requests {
    pub(super) fn add(&mut self, key: RequestKey, is_client: bool, line: Line) {
        let sides = self.0.entry(key).or_default();
        let side = if is_client { &mut sides.client } else { &mut sides.server };
        side.push(line);
    }

    /// The rows whose request tells their cause. Callers choose ids as they like: one that stands in more than two
    /// lines joins nothing.
    pub(super) fn told(&self, told: &Told) -> Vec<(usize, usize)> {
        let window = Limits::default().join_window_micros.unsigned_abs();
        let mut found = Vec::new();
        for sides in self.0.values() {
            let ([client], [server]) = (sides.client.as_slice(), sides.server.as_slice()) else { continue };
            // Ports are used again: lines far apart are not of one connection.
            let apart = client.time.zip(server.time).map(|(one, other)| one.abs_diff(other));
            if apart.is_some_and(|apart| apart > window) {
                continue;
            }
            let cause = client.group.zip(server.group).and_then(|(one, other)| told.of_request(one, other));
            let places = [client.place, server.place].into_iter().flatten();
            found.extend(cause.into_iter().flat_map(|cause| places.clone().map(move |at| (at, cause))));
        }
        found
    }
}
