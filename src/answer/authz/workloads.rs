//! The rules in force for every workload: pods that no policy can tell apart share one list.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::list::{AuthzList, list};
use crate::answer::common::WorkloadRef;
use crate::model::pod::ProxyKind;
use crate::model::{Labels, Text};
use crate::resolve::authorize::attach::GATEWAY_NAME;
use crate::resolve::{Mesh, Workload};

/// The answer.
#[derive(Debug, Clone, PartialEq)]
pub struct AuthzWorkloads {
    /// The workloads by namespace and name; one stands here twice where its pods do not have the same rules.
    pub workloads: Vec<AuthzWorkload>,
    /// How many policies were read.
    pub policies: usize,
}

/// A workload, or those of its pods that have the same rules.
#[derive(Debug, Clone, PartialEq)]
pub struct AuthzWorkload {
    /// The workload.
    pub workload: WorkloadRef,
    /// Its namespace.
    pub namespace: Text,
    /// How many pods it stands for.
    pub pods: usize,
    /// Their names; none where a template stands for pods.
    pub names: Vec<Text>,
    /// Their rules.
    pub list: Arc<AuthzList>,
}

impl AuthzWorkload {
    /// Who it is among all: two of the same workload are told apart by their first pods.
    pub fn id(&self) -> String {
        let pod = self.names.first().map(|name| format!(" {name}")).unwrap_or_default();
        format!("{} {}{pod}", self.workload.kind.as_deref().unwrap_or_default(), self.workload.path())
    }
}

/// What makes rules differ: the namespace, the proxy, the revision, the labels that selectors name, and what is not known.
type Alike<'a> = (&'a str, ProxyKind, &'a str, Labels, Option<String>);

/// One of the pods of a workload, the names of some, and how many there are.
type Pods<'a> = (&'a Workload, Vec<&'a Text>, usize);

/// The rules of all workloads.
pub fn workloads(mesh: &Mesh) -> AuthzWorkloads {
    let policies = mesh.snapshot.objects().filter_map(|object| object.body.authorization_policy());
    let (mut keys, mut count) = (BTreeSet::from([GATEWAY_NAME]), 0);
    for policy in policies {
        keys.extend(policy.selector.iter().map(|(key, _)| key));
        count += 1;
    }
    let mut lists: HashMap<Alike<'_>, (usize, Arc<AuthzList>)> = HashMap::new();
    let mut groups: BTreeMap<(&str, &str, &str, usize), Pods<'_>> = BTreeMap::new();
    for workload in mesh.workloads.all() {
        let number = lists.len();
        let alike = alike(workload, &keys);
        let (number, _) = lists.entry(alike).or_insert_with(|| {
            (number, Arc::new(AuthzList { others: Vec::new(), ..list(mesh, workload, None) }))
        });
        let key = (&*workload.namespace, &*workload.name, &*workload.kind, *number);
        let (_, names, pods) = groups.entry(key).or_insert_with(|| (workload, Vec::new(), 0));
        *pods += 1;
        names.extend(&workload.pod);
    }
    let by_number: HashMap<usize, Arc<AuthzList>> = lists.into_values().collect();
    let workloads = groups.into_iter().filter_map(|((.., number), (workload, names, pods))| {
        let mut names: Vec<Text> = names.into_iter().map(Arc::clone).collect();
        names.sort();
        let list = Arc::clone(by_number.get(&number)?);
        let namespace = Arc::clone(&workload.namespace);
        Some(AuthzWorkload { workload: WorkloadRef::workload(workload), namespace, pods, names, list })
    });
    AuthzWorkloads { workloads: workloads.collect(), policies: count }
}

fn alike<'a>(workload: &'a Workload, keys: &BTreeSet<&str>) -> Alike<'a> {
    let labels = keys.iter().filter_map(|key| Some(((*key).into(), workload.labels.get(key)?.into())));
    let missing = workload.missing().map(|missing| missing.need);
    let labels = Labels::from_pairs(labels.collect());
    (&workload.namespace, workload.proxy, &workload.revision, labels, missing)
}
