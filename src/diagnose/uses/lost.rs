//! What pairs lose by a rule that does not reach them.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{MANY_NAMESPACES, Visit};
use crate::diagnose::finding::Edge;
use crate::model::Text;

/// Names, of which there is mostly one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Few {
    /// None.
    #[default]
    None,
    /// One.
    One(Text),
    /// Several, sorted.
    More(Vec<Text>),
}

impl Few {
    /// The names, sorted.
    pub fn as_slice(&self) -> &[Text] {
        match self {
            Self::None => &[],
            Self::One(one) => std::slice::from_ref(one),
            Self::More(more) => more,
        }
    }

    fn insert(&mut self, name: &Text) {
        match self {
            Self::None => *self = Self::One(Arc::clone(name)),
            Self::One(one) if one == name => {}
            Self::One(one) => {
                let mut both = vec![Arc::clone(one), Arc::clone(name)];
                both.sort();
                *self = Self::More(both);
            }
            Self::More(more) => {
                if let Err(at) = more.binary_search(name) {
                    more.insert(at, Arc::clone(name));
                }
            }
        }
    }
}

/// What one rule gives and another does not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct What {
    /// Blocks that nothing stands for.
    pub blocks: BTreeSet<String>,
    /// Blocks that are set otherwise.
    pub otherwise: BTreeSet<String>,
    /// Subsets that are not there.
    pub subsets: BTreeSet<Text>,
}

impl What {
    /// Whether it is nothing.
    pub fn is_nothing(&self) -> bool {
        self.blocks.is_empty() && self.otherwise.is_empty() && self.subsets.is_empty()
    }

    fn has(&self, other: &Self) -> bool {
        other.blocks.is_subset(&self.blocks)
            && other.otherwise.is_subset(&self.otherwise)
            && other.subsets.is_subset(&self.subsets)
    }
}

/// Pairs that a rule does not reach, and what they lose.
#[derive(Debug, Default)]
pub struct Lost {
    /// The pairs, as many as are kept.
    pub edges: Vec<Edge>,
    /// How many there are.
    pub pairs: usize,
    /// The hosts.
    pub hosts: Few,
    /// The namespaces of the clients.
    pub namespaces: Few,
    /// What is lost. Most rules lose the same to most others, so it is shared.
    pub what: Arc<What>,
    /// Those of the subsets that routes in force name.
    pub routed: BTreeSet<Text>,
}

impl Lost {
    /// What is lost, in words.
    pub fn words(&self) -> String {
        let mut parts: Vec<String> = self.what.blocks.iter().cloned().collect();
        parts.extend(self.what.subsets.iter().map(|subset| format!("subset {subset}")));
        parts.extend(self.what.otherwise.iter().map(|block| format!("{block} (set otherwise)")));
        parts.join(", ")
    }

    fn add_what(&mut self, what: &Arc<What>) {
        if self.what.is_nothing() {
            self.what = Arc::clone(what);
        } else if !Arc::ptr_eq(&self.what, what) && !self.what.has(what) {
            let all = Arc::make_mut(&mut self.what);
            all.blocks.extend(what.blocks.iter().cloned());
            all.otherwise.extend(what.otherwise.iter().cloned());
            all.subsets.extend(what.subsets.iter().cloned());
        }
    }

    /// Takes over what pairs of later hosts lose, and lists at most so many of them; how many it listed.
    pub(super) fn absorb(&mut self, later: Self, most: usize) -> usize {
        self.add_what(&later.what);
        self.pairs += later.pairs;
        self.routed.extend(later.routed);
        later.hosts.as_slice().iter().for_each(|host| self.hosts.insert(host));
        later.namespaces.as_slice().iter().for_each(|name| self.namespaces.insert(name));
        let before = self.edges.len();
        self.edges.extend(later.edges.into_iter().take(most));
        self.edges.len() - before
    }

    /// Adds what a group's pairs lose, and lists at most so many of the pairs; how many it listed.
    pub(super) fn add(&mut self, visit: &Visit<'_>, what: &Arc<What>, most: usize) -> usize {
        self.add_what(what);
        let before = self.edges.len();
        let service = visit.target.service;
        self.namespaces.insert(&visit.client.namespace);
        for namespace in visit.group.namespaces(visit.mesh) {
            if self.namespaces.as_slice().len() >= MANY_NAMESPACES {
                break;
            }
            self.namespaces.insert(namespace);
        }
        self.hosts.insert(&service.host);
        for port in service.ports().iter().filter(|port| port.tcp && visit.target.has(port.number)) {
            self.pairs += usize::try_from(visit.group.workloads()).unwrap_or(usize::MAX);
            let left = (before + most).saturating_sub(self.edges.len());
            for client in visit.group.names(visit.mesh).take(left) {
                let host = service.host.clone();
                self.edges.push(Edge { client, host, port: port.number, subset: None });
            }
        }
        self.edges.len() - before
    }
}
