//! Counters of rules: which rule of a workload decided about each log line. Lines are put together by what the rules
//! look at, so that each verdict is made once; a line of a group that is known costs no allocation.

mod looks_at;
mod tally;

use std::fmt;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustc_hash::{FxHashMap, FxHashSet};

use super::line_request::{self, Ruling};
use super::locate::workload_of;
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

use looks_at::{LooksAt, host_of, push};
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

/// Takes up lines while they are read.
pub struct RuleHits {
    mesh: Arc<Mesh>,
    /// The same with other policies, to which lines that are alike shall be alike as well.
    other: Option<Arc<Mesh>>,
    /// The workloads whose lines are wanted; all where there are none named.
    wanted: Option<FxHashSet<usize>>,
    /// Where the line in hand stands: its number, and by which its file is known.
    number: AtomicU64,
    file: AtomicUsize,
    state: Mutex<State>,
}

/// The host that a proxy handles, empty for all that are no waypoints, and the proxy's place.
type Handling = (Box<[u8]>, Option<usize>);

#[derive(Default)]
struct State {
    file: Option<Arc<str>>,
    /// The pods of groups of lines, as [`State::pods`] has them.
    groups_of: FxHashMap<GroupIndex, Option<(usize, Proxy)>>,
    /// The pods of lines, by how lines name them, and the proxy of those that have but one.
    pods: FxHashMap<PodOf, Option<(usize, Proxy)>>,
    /// The proxies, by workload and service handled.
    by_name: FxHashMap<usize, Vec<Handling>>,
    guards: Vec<Guard>,
    groups: FxHashMap<Box<[u8]>, usize>,
    seen: Vec<SeenRequests>,
    tallies: Vec<Tally>,
    key: Vec<u8>,
    /// Lines of requests that are not told apart any more.
    beyond: u64,
}

impl fmt::Debug for RuleHits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RuleHits").finish_non_exhaustive()
    }
}

impl RuleHits {
    /// Counters of a mesh, for the workloads with these indices or for all.
    pub fn new(mesh: Arc<Mesh>, wanted: Option<FxHashSet<usize>>) -> Self {
        let (number, file) = (AtomicU64::new(0), AtomicUsize::new(0));
        Self { mesh, other: None, wanted, number, file, state: Mutex::default() }
    }

    /// Requests that the policies of two meshes with the same workloads tell apart.
    pub fn of_both(mesh: Arc<Mesh>, other: Arc<Mesh>) -> Self {
        Self { other: Some(other), ..Self::new(mesh, None) }
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
            .map(|(guard, tally)| (guard.clone(), Counters::of(*tally)))
            .collect();
        for seen in &state.seen {
            if let Some((guard, counters)) = all.get_mut(seen.guard) {
                counters.add(guard, seen);
            }
        }
        all
    }

    /// The requests that were seen, and how many lines there are of others that are not told apart any more.
    pub fn seen(&self) -> (Vec<Guard>, Vec<SeenRequests>, u64) {
        let state = self.state();
        (state.guards.clone(), state.seen.clone(), state.beyond)
    }

    /// Begins to count anew.
    pub fn reset(&self) {
        *self.state() = State::default();
        self.file.store(0, Ordering::Relaxed);
    }

    fn envoy(&self, state: &mut State, line: &AccessLine<'_>, (pod, proxy): (usize, Proxy)) {
        let ruling = line_request::ruling(line);
        let guard = match proxy {
            Proxy::One(guard) => guard,
            Proxy::OfServices => self.guard(state, pod, || handled(line)),
        };
        let Some(guard) = guard else { return };
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
        state.count(key, guard, protocol, ruling, (self.number(), last), || {
            line_request::of_access(&self.mesh, line)
        });
    }

    /// The proxy of a pod; `None` where there is none that reads policies.
    fn guard<'a>(
        &self,
        state: &mut State,
        pod: usize,
        host: impl FnOnce() -> Option<&'a [u8]>,
    ) -> Option<usize> {
        let workload = self.mesh.workloads.get(pod)?;
        let is_waypoint = in_mesh::engine(workload) == Some(Engine::Waypoint);
        let host = if is_waypoint { host().unwrap_or_default() } else { b"" };
        let known = state.by_name.entry(pod).or_default();
        if let Some((_, guard)) = known.iter().find(|(name, _)| **name == *host) {
            return *guard;
        }
        let service = std::str::from_utf8(host).ok().and_then(|name| self.mesh.registry.by_host(name));
        let evaluator = in_mesh::evaluator(&self.mesh, workload, None, service);
        let guard = evaluator.map(|evaluator| {
            let mut looks_at = LooksAt::default();
            looks_at.add(&evaluator);
            let other = self
                .other
                .as_ref()
                .and_then(|other| in_mesh::evaluator(other, other.workloads.get(pod)?, None, service));
            if let Some(other) = other {
                looks_at.add(&other);
            }
            let service = service.map(|service| Text::clone(&service.host));
            state.guards.push(Guard { workload: pod, service, evaluator: Arc::new(evaluator), looks_at });
            state.tallies.push(Tally::default());
            state.guards.len() - 1
        });
        known.push((host.into(), guard));
        guard
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
        let Some(guard) = self.guard(state, pod, || None) else { return };
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
        state.count(key, guard, Protocol::Tcp, ruling, (self.number(), last), || {
            line_request::of_ztunnel(line)
        });
    }

    /// The number of the line in hand.
    fn number(&self) -> u64 {
        self.number.load(Ordering::Relaxed)
    }

    fn wants(&self, pod: usize) -> bool {
        self.wanted.as_ref().is_none_or(|wanted| wanted.contains(&pod))
    }

    /// The pod of a line, by its index, and its proxy.
    fn pod(&self, state: &mut State, pod: &PodOf) -> Option<(usize, Proxy)> {
        if let Some(known) = state.pods.get(pod) {
            return *known;
        }
        let found = workload_of(&self.mesh, pod).filter(|pod| self.wants(*pod)).map(|pod| {
            let engine = self.mesh.workloads.get(pod).and_then(in_mesh::engine);
            match engine {
                Some(Engine::Waypoint) => (pod, Proxy::OfServices),
                Some(_) | None => (pod, Proxy::One(self.guard(state, pod, || None))),
            }
        });
        // Whoever writes lines of ever new addresses does not fill the memory.
        if state.pods.len() < MOST {
            state.pods.insert(pod.clone(), found);
        }
        found
    }
}

/// The proxy of a pod.
#[derive(Debug, Clone, Copy)]
enum Proxy {
    /// It is the same for all lines, if it reads policies.
    One(Option<usize>),
    /// A waypoint's depends on the service that a line is about.
    OfServices,
}

/// The host of the service that a waypoint handles.
fn handled<'a>(line: &AccessLine<'a>) -> Option<&'a [u8]> {
    UpstreamCluster::parse(line.upstream_cluster?).host
}

impl State {
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
            Ruling::Refused(name) => {
                key.push(3);
                push(&mut key, name);
            }
        }
        Some(key)
    }

    fn count(
        &mut self,
        key: Vec<u8>,
        guard: usize,
        protocol: Protocol,
        ruling: Ruling<'_>,
        (line, last): (u64, Option<i64>),
        request: impl FnOnce() -> Request,
    ) {
        if let Some(seen) = self.groups.get(&*key).and_then(|at| self.seen.get_mut(*at)) {
            seen.count += 1;
            seen.last = seen.last.max(last);
        } else if self.seen.len() >= MOST {
            if let Some(tally) = self.tallies.get_mut(guard) {
                tally.beyond += 1;
            }
            self.beyond += 1;
        } else {
            let ruled = match ruling {
                Ruling::Refused(name) => Ruled::Refused(String::from_utf8_lossy(name).into()),
                Ruling::RefusedByNone => Ruled::RefusedByNone,
                Ruling::Authorizer => Ruled::Authorizer,
                Ruling::Passed | Ruling::Token | Ruling::NotAsked => Ruled::Passed,
            };
            let request = request();
            self.groups.insert(key.as_slice().into(), self.seen.len());
            let sample = Origin { file: self.file.clone().unwrap_or_else(|| "".into()), line };
            self.seen.push(SeenRequests { guard, protocol, request, ruled, count: 1, last, sample });
        }
        self.key = key;
    }
}

impl Watch for RuleHits {
    fn line(&self, source: &SourceName, number: u64, _bytes: &[u8]) {
        self.number.store(number, Ordering::Relaxed);
        let file = Arc::as_ptr(&source.file).addr();
        if self.file.swap(file, Ordering::Relaxed) != file {
            let mut state = self.state();
            state.file = Some(Arc::clone(&source.file));
            // Another source may have groups of its own by the same numbers.
            state.groups_of.clear();
        }
    }

    fn takes(&self, line: &AccessLine<'_>, group: GroupIndex) -> bool {
        let mut state = self.state();
        let Some(pod) = state.groups_of.get(&group).copied() else { return false };
        if let Some(pod) = pod {
            self.envoy(&mut state, line, pod);
        }
        true
    }

    fn access(&self, line: AnyLine<'_>, pod: &PodOf, group: Option<GroupIndex>) {
        let mut state = self.state();
        match line {
            AnyLine::Envoy(line) => {
                let pod = self.pod(&mut state, pod);
                if let Some(group) = group {
                    state.groups_of.insert(group, pod);
                }
                if let Some(pod) = pod {
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
