//! Counters of rules: which rule of a workload decided about each log line. Lines are put together by what the rules
//! look at, so that each verdict is made once; a line of a group that is known costs no allocation.

mod tally;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustc_hash::{FxHashMap, FxHashSet};

use super::line_request::{self, Ruling};
use crate::logs::{
    AccessLine, AnyLine, GroupIndex, PodOf, Reporter, SourceName, UpstreamCluster, Watch, ZtunnelLine,
    parse_time,
};
use crate::model::{Origin, Text};
use crate::resolve::Mesh;
use crate::resolve::authorize::attach::Engine;
use crate::resolve::authorize::evaluator::{Evaluator, Protocol};
use crate::resolve::authorize::in_mesh;
use crate::resolve::authorize::request::Request;

pub use tally::{Counters, Hits, Tally};

/// So many different requests are told apart; the lines of others are counted as undecided.
const MOST: usize = 100_000;

/// What a proxy did, with the name of a rule held.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Ruled {
    /// Refused by the rule of this name.
    Refused(Text),
    /// Refused, since no ALLOW rule matched.
    RefusedByNone,
    /// Refused by an external authorizer.
    Authorizer,
    /// It got past the policies.
    Passed,
}

/// Requests that no rule of the workload tells apart.
#[derive(Debug, Clone)]
pub struct SeenRequests {
    /// The proxy, by its place among [`RuleHits`]' own.
    pub guard: usize,
    /// What the port speaks.
    pub protocol: Protocol,
    /// One of them.
    pub request: Request,
    /// What the proxy did.
    pub ruled: Ruled,
    /// How many there were.
    pub count: u64,
    /// The time of the last, in microseconds since the epoch.
    pub last: Option<i64>,
    /// Where the first stands.
    pub sample: Origin,
}

/// A proxy whose lines were read.
#[derive(Debug, Clone)]
pub struct Guard {
    /// The workload, by its index.
    pub workload: usize,
    /// The service that a waypoint handles.
    pub service: Option<Text>,
    /// Its policies.
    pub evaluator: Arc<Evaluator>,
    looks_at: LooksAt,
}

/// The attributes by which the lines of a proxy are told apart.
#[derive(Debug, Clone, Default)]
struct LooksAt(FxHashSet<&'static str>);

const ATTRIBUTES: [&str; 10] = [
    "method",
    "path",
    "host",
    "principal",
    "source_ip",
    "remote_ip",
    "dest_ip",
    "sni",
    "headers[user-agent]",
    "headers[x-request-id]",
];

impl LooksAt {
    fn of(evaluator: &Evaluator) -> Self {
        let rules =
            [Protocol::Http, Protocol::Tcp].into_iter().flat_map(|protocol| evaluator.rules(protocol));
        let asked: FxHashSet<String> =
            rules.flat_map(|(_, _, rule)| rule.clauses().map(|clause| clause.test.looks_at())).collect();
        Self(ATTRIBUTES.into_iter().filter(|attribute| asked.contains(*attribute)).collect())
    }

    fn has(&self, attribute: &str) -> bool {
        self.0.contains(attribute)
    }

    /// Writes what tells a line from others into a key. Behind each part stands how long it is.
    fn write(&self, line: &AccessLine<'_>, key: &mut Vec<u8>) {
        let who = self.has("principal") || self.has("source_ip");
        // Whether it was plaintext is looked at by refusals, too.
        let parts = [
            (self.has("method"), line.method),
            (self.has("path"), line.path),
            (self.has("host"), line.authority),
            (self.has("headers[user-agent]"), line.user_agent),
            (self.has("headers[x-request-id]"), line.request_id),
            (who || self.has("sni"), line.requested_server_name),
        ];
        for (is_asked, field) in parts {
            if is_asked {
                push(key, field.unwrap_or_default());
            }
        }
        push(key, port_of(line.downstream_local_address.unwrap_or_default()));
        if self.has("dest_ip") {
            push(key, host_of(line.downstream_local_address.unwrap_or_default()));
        }
        if who || self.has("remote_ip") {
            let remote = line.downstream_remote_address.unwrap_or_default();
            push(key, host_of(remote));
            // Behind X-Forwarded-For the port is 0, and the address is another one.
            key.push(u8::from(port_of(remote) == b"0"));
        }
        key.push(u8::from(line.ambiguous));
    }
}

fn push(key: &mut Vec<u8>, part: &[u8]) {
    key.extend_from_slice(part);
    key.extend_from_slice(&part.len().to_le_bytes());
}

fn port_of(address: &[u8]) -> &[u8] {
    memchr::memrchr(b':', address).and_then(|at| address.get(at + 1..)).unwrap_or_default()
}

fn host_of(address: &[u8]) -> &[u8] {
    memchr::memrchr(b':', address).and_then(|at| address.get(..at)).unwrap_or(address)
}

/// Takes up lines while they are read.
pub struct RuleHits {
    mesh: Arc<Mesh>,
    /// The workloads whose lines are wanted; all where there are none named.
    wanted: Option<FxHashSet<usize>>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    source: Option<(Arc<str>, u64)>,
    /// The pod of the last line, which is mostly that of the next.
    last_pod: Option<(PodOf, Option<usize>)>,
    /// The proxies, by workload and service handled.
    by_name: FxHashMap<usize, Vec<(Box<[u8]>, Option<usize>)>>,
    guards: Vec<Guard>,
    groups: FxHashMap<Box<[u8]>, usize>,
    seen: Vec<SeenRequests>,
    tallies: Vec<Tally>,
    key: Vec<u8>,
}

impl fmt::Debug for RuleHits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RuleHits").finish_non_exhaustive()
    }
}

impl RuleHits {
    /// Counters of a mesh, for the workloads with these indices or for all.
    pub fn new(mesh: Arc<Mesh>, wanted: Option<FxHashSet<usize>>) -> Self {
        Self { mesh, wanted, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The proxies whose lines were read, each with its counters.
    pub fn guards(&self) -> Vec<(Guard, Counters)> {
        let state = self.state();
        let mut all: Vec<(Guard, Counters)> = state
            .guards
            .iter()
            .zip(&state.tallies)
            .map(|(guard, tally)| (guard.clone(), Counters::of(guard, tally)))
            .collect();
        for seen in &state.seen {
            if let Some((guard, counters)) = all.get_mut(seen.guard) {
                counters.add(guard, seen);
            }
        }
        all
    }

    /// The requests that were seen.
    pub fn seen(&self) -> (Vec<Guard>, Vec<SeenRequests>) {
        let state = self.state();
        (state.guards.clone(), state.seen.clone())
    }

    /// Begins to count anew.
    pub fn reset(&self) {
        *self.state() = State::default();
    }

    fn envoy(&self, state: &mut State, line: &AccessLine<'_>, pod: usize) {
        let ruling = line_request::ruling(line);
        let Some(guard) = state.guard(&self.mesh, pod, || handled(line)) else { return };
        let engine = state.guards.get(guard).map(|guard| guard.evaluator.policies.subject.engine);
        // A sidecar's own policies are asked about what comes in.
        let comes_in = match crate::logs::reporter_of(line) {
            Reporter::Server => true,
            Reporter::Client => engine != Some(Engine::Sidecar),
            Reporter::Unknown => !matches!(ruling, Ruling::Passed | Ruling::NotAsked),
        };
        if !comes_in {
            return;
        }
        let last = line.micros();
        if let Some(tally) = state.tallies.get_mut(guard) {
            tally.count(ruling);
        }
        let protocol = line_request::protocol(line);
        let mut key = state.key_of(guard, protocol, ruling);
        if let (Some(key), Some(guard)) = (&mut key, state.guards.get(guard)) {
            guard.looks_at.write(line, key);
        }
        let Some(key) = key else { return };
        state.count(key, guard, protocol, ruling, last, || line_request::of_access(&self.mesh, line));
    }

    fn ztunnel(&self, state: &mut State, line: &ZtunnelLine<'_>) {
        if line.reporter != Reporter::Server
            || !line.message.starts_with("connection ")
            || line.message.ends_with("opened")
        {
            return;
        }
        let own = line.own_pod().and_then(|(namespace, name)| self.mesh.workloads.by_pod(namespace, name));
        let Some(pod) = own.filter(|pod| self.wants(*pod)) else { return };
        let ruling = line_request::ruling_of_ztunnel(line);
        let Some(guard) = state.guard(&self.mesh, pod, || None) else { return };
        if let Some(tally) = state.tallies.get_mut(guard) {
            tally.count(ruling);
        }
        let Some(mut key) = state.key_of(guard, Protocol::Tcp, ruling) else { return };
        let target = line.dst_hbone_addr.as_deref().unwrap_or(&line.dst_addr);
        push(&mut key, target.as_bytes());
        push(&mut key, host_of(line.src_addr.as_bytes()));
        push(&mut key, line.src_identity.as_deref().unwrap_or_default().as_bytes());
        key.push(u8::from(line.is_mtls()));
        let last = parse_time(line.time.as_bytes());
        state.count(key, guard, Protocol::Tcp, ruling, last, || line_request::of_ztunnel(line));
    }

    fn wants(&self, pod: usize) -> bool {
        self.wanted.as_ref().is_none_or(|wanted| wanted.contains(&pod))
    }

    /// The pod of a line, by its index.
    fn pod(&self, state: &mut State, pod: &PodOf) -> Option<usize> {
        if let Some((last, found)) = &state.last_pod
            && last == pod
        {
            return *found;
        }
        let found = match pod {
            PodOf::Named(name) => self.mesh.workloads.by_pod(&name.namespace, &name.name),
            PodOf::Address(address) => self.mesh.workloads.by_address(address),
            PodOf::Unknown => None,
        };
        let found = found.filter(|pod| self.wants(*pod));
        state.last_pod = Some((pod.clone(), found));
        found
    }
}

/// The host of the service that a waypoint handles.
fn handled<'a>(line: &AccessLine<'a>) -> Option<&'a [u8]> {
    UpstreamCluster::parse(line.upstream_cluster?).host
}

impl State {
    /// The proxy of a pod; `None` where there is none that reads policies.
    fn guard<'a>(
        &mut self,
        mesh: &Mesh,
        pod: usize,
        host: impl FnOnce() -> Option<&'a [u8]>,
    ) -> Option<usize> {
        let workload = mesh.workloads.get(pod)?;
        let is_waypoint = in_mesh::engine(workload) == Some(Engine::Waypoint);
        let host = if is_waypoint { host().unwrap_or_default() } else { b"" };
        let known = self.by_name.entry(pod).or_default();
        if let Some((_, guard)) = known.iter().find(|(name, _)| **name == *host) {
            return *guard;
        }
        let name = std::str::from_utf8(host).unwrap_or_default();
        let service = mesh.registry.by_host(name);
        let evaluator = in_mesh::evaluator(mesh, workload, None, service);
        let guard = evaluator.map(|evaluator| {
            let looks_at = LooksAt::of(&evaluator);
            let service = service.map(|service| Text::clone(&service.host));
            self.guards.push(Guard { workload: pod, service, evaluator: Arc::new(evaluator), looks_at });
            self.tallies.push(Tally::default());
            self.guards.len() - 1
        });
        known.push((host.into(), guard));
        guard
    }

    /// The beginning of a line's key; `None` where it tells nothing about rules.
    fn key_of(&mut self, guard: usize, protocol: Protocol, ruling: Ruling<'_>) -> Option<Vec<u8>> {
        let mut key = std::mem::take(&mut self.key);
        key.clear();
        key.extend_from_slice(&guard.to_le_bytes());
        key.push(u8::from(protocol == Protocol::Http));
        match ruling {
            Ruling::NotAsked | Ruling::Token => {
                self.key = key;
                return None;
            }
            Ruling::Passed => key.push(0),
            Ruling::RefusedByNone => key.push(1),
            Ruling::Authorizer => key.push(2),
            Ruling::Refused(name) => push(&mut key, name),
        }
        Some(key)
    }

    fn count(
        &mut self,
        key: Vec<u8>,
        guard: usize,
        protocol: Protocol,
        ruling: Ruling<'_>,
        last: Option<i64>,
        request: impl FnOnce() -> Request,
    ) {
        if let Some(seen) = self.groups.get(&*key).and_then(|at| self.seen.get_mut(*at)) {
            seen.count += 1;
            seen.last = seen.last.max(last);
        } else if self.seen.len() >= MOST {
            if let Some(tally) = self.tallies.get_mut(guard) {
                tally.beyond += 1;
            }
        } else {
            let ruled = match ruling {
                Ruling::Refused(name) => Ruled::Refused(String::from_utf8_lossy(name).into()),
                Ruling::RefusedByNone => Ruled::RefusedByNone,
                Ruling::Authorizer => Ruled::Authorizer,
                Ruling::Passed | Ruling::Token | Ruling::NotAsked => Ruled::Passed,
            };
            let (file, line) = self.source.clone().unwrap_or_else(|| ("".into(), 0));
            let request = request();
            self.groups.insert(key.as_slice().into(), self.seen.len());
            let sample = Origin { file, line };
            self.seen.push(SeenRequests { guard, protocol, request, ruled, count: 1, last, sample });
        }
        self.key = key;
    }
}

impl Watch for RuleHits {
    fn line(&self, source: &SourceName, number: u64, _bytes: &[u8]) {
        let mut state = self.state();
        match &mut state.source {
            Some((file, line)) if Arc::ptr_eq(file, &source.file) => *line = number,
            Some(_) | None => state.source = Some((Arc::clone(&source.file), number)),
        }
    }

    fn access(&self, line: AnyLine<'_>, pod: &PodOf, _group: Option<GroupIndex>) {
        let mut state = self.state();
        match line {
            AnyLine::Envoy(line) => {
                if let Some(pod) = self.pod(&mut state, pod) {
                    self.envoy(&mut state, line, pod);
                }
            }
            AnyLine::Ztunnel(line) => self.ztunnel(&mut state, line),
        }
    }

    fn other(&self) {}

    fn goes_on(&self) -> bool {
        true
    }
}
