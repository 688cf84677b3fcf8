//! Taking up a change of rules or policies.
//!
//! A rule is found by the clients of its own namespace, by all clients of its namespace's services, and in the root
//! namespace by all that found nothing before. A policy decides about the servers of its namespace. What else changes
//! makes the table anew.

use std::collections::BTreeSet;
use std::sync::Arc;

use rustc_hash::FxHashSet;

use super::{Answers, HostAnswers, Pools, Row, Table};
use crate::model::{Kind, ObjectId, Text};
use crate::resolve::clients::same_classes;
use crate::resolve::mesh::Mesh;
use crate::resolve::rules::{Level, Rule, matches};

/// What has to be made again for a host.
#[derive(Debug, Default)]
struct Touched {
    /// Everything; and whether what comes of the endpoints is another thing, too.
    all: bool,
    endpoints: bool,
    /// What found nothing before the root namespace.
    root: bool,
    /// The clients of the namespaces of these rules, by their places among those that changed.
    clients: Vec<usize>,
}

impl Table {
    /// Takes up what [`Mesh::apply`] changed. The table is that of the mesh `before`, and then that of `after`.
    pub fn update(&mut self, before: &Mesh, after: &Mesh, changed: &BTreeSet<ObjectId>) {
        let rules: Vec<&Rule> = changed
            .iter()
            .filter(|id| id.kind == Kind::DestinationRule)
            .flat_map(|id| [before.rules.of_object(id), after.rules.of_object(id)])
            .flatten()
            .collect();
        let policies: Vec<_> = changed.iter().filter(|id| id.kind == Kind::PeerAuthentication).collect();
        let root = after.config.root_namespace.as_str();
        let of_mesh = policies.iter().any(|id| *id.namespace == *root);
        if of_mesh
            || !is_alike(before, after)
            || self.is_stale()
            || !same_classes(before, after, rules.iter().copied())
        {
            *self = Self::new(after);
            return;
        }
        let policies: FxHashSet<&Text> = policies.into_iter().map(|id| &id.namespace).collect();
        let classes = Arc::clone(&self.classes);
        let clients: Vec<Vec<usize>> =
            rules.iter().map(|rule| classes.of_namespace(&rule.object.id.namespace).collect()).collect();
        let mut answers = Answers::new(after);
        let mut hosts = std::mem::take(&mut self.hosts);
        for (host, all) in after.registry.hosts().zip(&mut hosts) {
            let mut touched = touched(before, after, host, &rules);
            if policies.iter().any(|namespace| all.servers.contains(*namespace)) {
                (touched.all, touched.endpoints) = (true, true);
            }
            self.make_again(&mut answers, host, all, &touched, &clients);
        }
        self.hosts = hosts;
    }

    /// Whether so many answers came and went that a new table is better than one that holds them all.
    fn is_stale(&self) -> bool {
        let rows: usize = self.hosts.iter().map(|host| host.apart.len() + host.others.len()).sum();
        self.lists.all.len() > 2 * rows + 1024
    }

    fn make_again<'a>(
        &mut self,
        answers: &mut Answers<'a>,
        host: &'a Text,
        all: &mut HostAnswers,
        touched: &Touched,
        clients: &[Vec<usize>],
    ) {
        let (mesh, classes) = (answers.mesh(), Arc::clone(&self.classes));
        if touched.endpoints {
            all.outcomes.clear();
        }
        if touched.all {
            self.fill(answers, host, all);
            return;
        }
        let mut pools = Pools::default();
        let of_clients: BTreeSet<_> =
            touched.clients.iter().filter_map(|rule| clients.get(*rule)).flatten().collect();
        for at in of_clients.into_iter().copied() {
            let Ok(class) = u32::try_from(at) else { continue };
            let place = all.apart.binary_search_by_key(&class, |(at, _)| *at);
            let is_apart = classes.is_apart(mesh, at, host);
            if let (Ok(place), false) = (place, is_apart) {
                all.apart.remove(place);
            }
            let proxy = classes.all().get(at).and_then(|class| class.representative(mesh));
            let other = proxy.and_then(|client| all.others.get_mut(client.proxy as usize));
            if !is_apart && other.as_ref().is_none_or(|other| other.is_some()) {
                continue;
            }
            let row = self.row(answers, host, at, &mut pools, &mut all.outcomes);
            match place {
                _ if !is_apart => other.into_iter().for_each(|other| *other = Some(row)),
                Ok(place) => all.apart.get_mut(place).into_iter().for_each(|known| known.1 = row),
                Err(place) => all.apart.insert(place, (class, row)),
            }
        }
        if touched.root {
            self.below_root(answers, host, all);
        }
    }

    /// Makes again what those get who find nothing before the root namespace.
    fn below_root<'a>(&mut self, answers: &mut Answers<'a>, host: &'a Text, all: &mut HostAnswers) {
        let classes = Arc::clone(&self.classes);
        let mut pools = Pools::default();
        let is_open = |row: &Row| row.pool.is_none_or(|pool| pool == Level::Root);
        for (class, row) in all.apart.iter_mut().filter(|(_, row)| is_open(row)) {
            let Ok(at) = usize::try_from(*class) else { continue };
            *row = self.row(answers, host, at, &mut pools, &mut all.outcomes);
        }
        let apart: Vec<_> = all.apart.iter().filter_map(|(at, _)| usize::try_from(*at).ok()).collect();
        for (slot, mut rest) in all.others.iter_mut().zip(classes.others(&apart)) {
            if slot.as_ref().is_some_and(is_open) {
                *slot = rest.next().map(|at| self.row(answers, host, at, &mut pools, &mut all.outcomes));
            }
        }
    }
}

/// Whether two meshes differ in rules and policies only, and in a way that the update knows: where age is not known,
/// or waypoints stand between, a rule decides about more than its place tells.
fn is_alike(before: &Mesh, after: &Mesh) -> bool {
    Arc::ptr_eq(&before.workloads, &after.workloads)
        && Arc::ptr_eq(&before.registry, &after.registry)
        && Arc::ptr_eq(&before.scopes, &after.scopes)
        && Arc::ptr_eq(&before.ambient, &after.ambient)
        && Arc::ptr_eq(&before.gaps, &after.gaps)
        && before.config == after.config
        && (before.other_ages.is_none() && after.other_ages.is_none())
        && (before.legacy.is_none() && after.legacy.is_none())
        && !after.ambient.has_waypoints()
        && !after.is_one_of_several()
}

/// What rules, as they were and as they are, can touch of a host's answers.
fn touched(before: &Mesh, after: &Mesh, host: &Text, rules: &[&Rule]) -> Touched {
    let mut touched = Touched::default();
    let root = after.config.root_namespace.as_str();
    for (at, rule) in rules.iter().enumerate().filter(|(_, rule)| matches(&rule.host, host)) {
        let namespace = &rule.object.id.namespace;
        if after.registry.definitions(host).any(|service| service.namespace == *namespace) {
            touched.all = true;
        } else if **namespace == *root {
            touched.root = true;
            // Whoever an export list names is apart.
            touched.all |= !before.rules.named_for(root, host).eq(after.rules.named_for(root, host));
        }
        touched.clients.push(at);
    }
    touched
}
