//! The traffic policy of one port and subset: inheritance from rule to port to subset (DR-8).

use serde_json::{Map, Value};

use super::config::Config;
use super::rules::{Choice, RuleId, RuleIndex};
use crate::model::destination_rule::{Subset, TlsMode, TrafficPolicy};

/// The blocks that a port entry can set; the others vanish below it (DR-8.1, DR-8.2).
const PORT_BLOCKS: [&str; 4] = ["connectionPool", "loadBalancer", "outlierDetection", "tls"];

/// Which part of a rule a `tls` block is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Part {
    /// The rule's own traffic policy.
    Rule,
    /// Its entry for the port.
    RulePort,
    /// The subset's traffic policy.
    Subset,
    /// The subset's entry for the port.
    SubsetPort,
}

impl Part {
    /// The word for it in every answer.
    pub fn word(self) -> &'static str {
        match self {
            Self::Rule => "rule",
            Self::RulePort => "rule-port",
            Self::Subset => "subset",
            Self::SubsetPort => "subset-port",
        }
    }
}

/// What a client uses for one port and subset.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct EffectivePolicy {
    /// The blocks that are left.
    pub blocks: Map<String, Value>,
    /// The part and the rule that the `tls` block is from, where there is one.
    pub tls_from: Option<(Part, RuleId)>,
    /// Endpoint marking (DR-8.6): the mode, and where it is from.
    pub endpoint_mode: Option<TlsMode>,
    /// Whether the load balancer is `PASSTHROUGH` in the result, or for a subset in its parent's (MT-4.15).
    pub passthrough: bool,
    /// Whether it is in the top level that MT-4.3 looks at.
    pub top_level_passthrough: bool,
}

impl EffectivePolicy {
    /// The `tls` block.
    pub fn tls(&self) -> Option<&Value> {
        self.blocks.get("tls")
    }
}

/// The policy for a port without subset, or for a subset.
pub fn effective(
    index: &RuleIndex,
    choice: Option<&Choice>,
    port: u16,
    subset: Option<&str>,
    config: &Config,
) -> EffectivePolicy {
    let contributors = choice.map(|choice| choice.contributors.as_slice()).unwrap_or_default();
    let top = index.policy_of(contributors);
    let subset = subset.and_then(|name| index.subsets_of(contributors).find(|(_, one)| &*one.name == name));
    let base = base(top, port, config);
    let parent_passthrough = base.as_ref().is_some_and(|(blocks, _)| is_passthrough(blocks));
    let own = subset.and_then(|(id, subset)| Some((id, subset.traffic_policy.as_ref()?)));
    let top_level_passthrough = match subset {
        Some(_) => own.is_some_and(|(_, policy)| is_passthrough(&policy.blocks)),
        None => top.is_some_and(|(_, policy)| is_passthrough(&policy.blocks)),
    };
    let (blocks, tls_from) = match own {
        None => base.unwrap_or_default(),
        Some((id, policy)) => with_subset(base, id, policy, port),
    };
    let passthrough =
        is_passthrough(&blocks) || subset.is_some() && (parent_passthrough || top_level_passthrough);
    let endpoint_mode =
        endpoint_mode(top.map(|(_, policy)| policy), subset.map(|(_, one)| one), port, config);
    EffectivePolicy { blocks, tls_from, endpoint_mode, passthrough, top_level_passthrough }
}

type Blocks = (Map<String, Value>, Option<(Part, RuleId)>);

/// DR-8.1 and DR-8.4.
fn base(top: Option<(RuleId, &TrafficPolicy)>, port: u16, config: &Config) -> Option<Blocks> {
    let mut base = top.map(|(id, policy)| match policy.port(port) {
        Some(entry) => (only_port_blocks(entry), entry.get("tls").map(|_| (Part::RulePort, id))),
        None => (policy.blocks.clone(), policy.blocks.get("tls").map(|_| (Part::Rule, id))),
    });
    for name in ["connectionPool", "outlierDetection"] {
        let default = config.default_traffic_policy.as_ref().and_then(|policy| policy.get(name));
        if let Some(block) = default {
            let (blocks, _) = base.get_or_insert_default();
            blocks.entry(name).or_insert_with(|| block.clone());
        }
    }
    base
}

/// DR-8.2.
fn with_subset(base: Option<Blocks>, id: RuleId, policy: &TrafficPolicy, port: u16) -> Blocks {
    let entry = policy.port(port);
    let Some((base, base_tls)) = base else {
        return match entry {
            Some(entry) => (only_port_blocks(entry), entry.get("tls").map(|_| (Part::SubsetPort, id))),
            None => (policy.blocks.clone(), policy.blocks.get("tls").map(|_| (Part::Subset, id))),
        };
    };
    match entry {
        None => {
            let mut blocks = base;
            for (name, block) in &policy.blocks {
                blocks.insert(name.clone(), block.clone());
            }
            let from = policy.blocks.get("tls").map(|_| (Part::Subset, id)).or(base_tls);
            (blocks, from)
        }
        Some(entry) => {
            let mut blocks = base;
            blocks.retain(|name, _| !PORT_BLOCKS.contains(&name.as_str()));
            blocks.extend(only_port_blocks(entry));
            (blocks, entry.get("tls").map(|_| (Part::SubsetPort, id)))
        }
    }
}

fn only_port_blocks(entry: &Map<String, Value>) -> Map<String, Value> {
    let kept = entry.iter().filter(|(name, _)| PORT_BLOCKS.contains(&name.as_str()));
    kept.map(|(name, block)| (name.clone(), block.clone())).collect()
}

fn is_passthrough(blocks: &Map<String, Value>) -> bool {
    blocks
        .get("loadBalancer")
        .and_then(|block| block.get("simple"))
        .is_some_and(|simple| simple == "PASSTHROUGH")
}

/// DR-8.6: the mode that endpoints are marked with, which inherits otherwise than the cluster's.
fn endpoint_mode(
    top: Option<&TrafficPolicy>,
    subset: Option<&Subset>,
    port: u16,
    config: &Config,
) -> Option<TlsMode> {
    let of = |policy: &TrafficPolicy| {
        let entry = policy.port(port).and_then(|entry| entry.get("tls"));
        entry.or_else(|| policy.blocks.get("tls")).map(TlsMode::of_block)
    };
    let top = top.and_then(of);
    match subset {
        None => top,
        Some(subset) => {
            let own = subset.traffic_policy.as_ref().and_then(of);
            own.or_else(|| top.filter(|_| config.version.at_least(1, 31)))
        }
    }
}
