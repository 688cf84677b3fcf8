//! Groups of ztunnel's lines. They stand beside those of Envoy's, because what tells lines apart differs: there is no
//! code, flag or upstream cluster, but both ends and their identities.

use rustc_hash::FxHashMap;

use super::quantiles::Quantiles;
use super::{Aggregate, Durations, FirstSamples, PodOf, Sample, SourceId, TimeRange};
use crate::logs::fields::AnyLine;
use crate::logs::time::parse_time;
use crate::logs::upstream_cluster::Reporter;
use crate::logs::ztunnel::ZtunnelLine;

/// One end of a connection.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct End {
    /// `namespace/name` of the pod, where ztunnel knew it.
    pub workload: Option<String>,
    /// Its identity: there exactly with HBONE.
    pub identity: Option<String>,
    /// Its address without port, where ztunnel did not know the pod.
    pub address: Option<String>,
}

/// What makes two lines one group.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ZtunnelKey {
    /// The side.
    pub reporter: Reporter,
    /// The pod for which the line was written.
    pub pod: PodOf,
    /// `connection complete`, `connection failed`, `connection opened`.
    pub message: String,
    /// The client.
    pub source: End,
    /// The server.
    pub destination: End,
    /// The service called.
    pub service: Option<String>,
    /// The port called: that inside the tunnel, where there is one.
    pub port: Option<u16>,
    /// Whether the connection is, or on the client's side is meant to be, mutual TLS; `None` where the line cannot
    /// tell, because the connection failed before that was decided.
    pub mtls: Option<bool>,
    /// Why it failed.
    pub error: Option<String>,
}

/// Lines alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ZtunnelGroup {
    /// In what they are alike.
    pub key: ZtunnelKey,
    /// How many.
    pub count: u64,
    /// The earliest, in microseconds since the epoch.
    pub first: Option<i64>,
    /// The latest.
    pub last: Option<i64>,
    /// Quantiles of the durations.
    pub duration_ms: Option<Durations>,
    /// Up to three of the lines.
    pub samples: Vec<Sample>,
}

#[derive(Debug, Clone, Default)]
pub(super) struct ZtunnelGroups {
    groups: FxHashMap<ZtunnelKey, Stored>,
    pub(super) lines: u64,
}

#[derive(Debug, Clone, Default)]
struct Stored {
    count: u64,
    times: TimeRange,
    durations: Quantiles,
    samples: FirstSamples,
    /// Its place among all, by the first line.
    order: usize,
}

impl ZtunnelGroups {
    /// Counts a line. False where its group does not fit into the limit.
    pub(super) fn add(
        &mut self,
        line: &ZtunnelLine<'_>,
        sample: Sample,
        time: Option<i64>,
        limit: usize,
        budget: &mut usize,
    ) -> bool {
        self.lines += 1;
        let key = key_of(line);
        let order = self.groups.len();
        if order >= limit && !self.groups.contains_key(&key) {
            return false;
        }
        let group = self.groups.entry(key).or_insert_with(|| Stored { order, ..Stored::default() });
        group.count += 1;
        group.times.add(time);
        group.samples.add(sample);
        if let Some(millis) = line.duration_ms {
            group.durations.add(millis, budget);
        }
        true
    }

    /// The groups in the order in which they were first seen.
    pub(super) fn groups(&self) -> Vec<ZtunnelGroup> {
        let mut groups: Vec<_> = self.groups.iter().collect();
        groups.sort_by_key(|(_, stored)| stored.order);
        let group = |(key, stored): (&ZtunnelKey, &Stored)| ZtunnelGroup {
            key: key.clone(),
            count: stored.count,
            first: stored.times.first(),
            last: stored.times.last(),
            duration_ms: stored.durations.quantiles(),
            samples: stored.samples.to_vec(),
        };
        groups.into_iter().map(group).collect()
    }
}

/// Whose line it is: ztunnel writes for the pods of its node.
pub(super) fn pod_of(line: &ZtunnelLine<'_>) -> PodOf {
    match line.own_pod() {
        Some((namespace, name)) => {
            PodOf::Named(super::PodName { namespace: namespace.into(), name: name.into() })
        }
        None => PodOf::Address(address_of(line.own_address())),
    }
}

fn address_of(address: &str) -> String {
    String::from_utf8_lossy(super::without_port(address.as_bytes())).into_owned()
}

fn key_of(line: &ZtunnelLine<'_>) -> ZtunnelKey {
    let end = |namespace: Option<&str>, name: Option<&str>, identity: Option<&str>, address: &str| {
        let workload = namespace.zip(name).map(|(namespace, name)| format!("{namespace}/{name}"));
        let address = if workload.is_none() { Some(address_of(address)) } else { None };
        End { workload, identity: identity.map(str::to_owned), address }
    };
    let target = line.dst_hbone_addr.as_deref().unwrap_or(&line.dst_addr);
    // A line of a connection that failed early has neither identity nor target, whatever was meant.
    let told = line.is_mtls() || line.message != "connection failed";
    ZtunnelKey {
        reporter: line.reporter,
        pod: pod_of(line),
        message: line.message.clone().into_owned(),
        source: end(
            line.src_namespace.as_deref(),
            line.src_workload.as_deref(),
            line.src_identity.as_deref(),
            &line.src_addr,
        ),
        destination: end(
            line.dst_namespace.as_deref(),
            line.dst_workload.as_deref(),
            line.dst_identity.as_deref(),
            &line.dst_addr,
        ),
        service: line.dst_service.as_deref().map(str::to_owned),
        port: super::port_of(target.as_bytes()),
        mtls: told.then(|| line.is_mtls()),
        error: line.error.as_deref().map(str::to_owned),
    }
}

impl Aggregate {
    /// Counts a line of ztunnel.
    pub fn add_ztunnel(&mut self, source: SourceId, line_no: u64, line: &ZtunnelLine<'_>) {
        self.counts.lines.read += 1;
        self.counts.lines.parsed += 1;
        let time = parse_time(line.time.as_bytes());
        let sample = Sample { source, line: line_no };
        if !self.ztunnel.add(line, sample, time, self.limits.groups, &mut self.counts.duration_budget) {
            self.counts.other_groups += 1;
        }
        if let Some(watch) = &self.watch {
            watch.access(AnyLine::Ztunnel(line), &pod_of(line), None);
        }
    }

    /// The groups of ztunnel's lines, in the order in which they were first seen.
    pub fn ztunnel_groups(&self) -> Vec<ZtunnelGroup> {
        self.ztunnel.groups()
    }

    /// How many lines ztunnel wrote.
    pub fn ztunnel_lines(&self) -> u64 {
        self.ztunnel.lines
    }
}
