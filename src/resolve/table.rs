//! The answers of the whole mesh: what every client gets for every service port and every subset that it calls.
//!
//! A distinct answer is held once, and so is every list of answers that clients get for a host. Of a host one list
//! serves all clients that nothing sets apart; the others have one each. A changed rule or policy is taken up by making
//! again what it can touch ([`Table::update`]); endpoints and what was missing are not held, [`Mesh::pair`] has them.

mod update;

use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use super::answers::{Answers, Outcomes};
use super::client_tls::Sent;
use super::clients::{self, Classes};
use super::mesh::{Mesh, Target};
use super::pair::Status;
use super::rules::{Choice, HostRules, Level};
use super::workload::Workload;
use crate::model::{ObjectId, Text};

/// What a client gets, in short.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Answer {
    /// How the pair stands.
    pub status: Status,
    /// The rule that names the entry in force, and its pool.
    pub rule: Option<(ObjectId, Level)>,
    /// What is sent; `None` where endpoints get different things.
    pub sent: Option<Sent>,
    /// The server's mode: `STRICT`, `PERMISSIVE`, `DISABLE`, `NONE`, `MIXED` or `UNKNOWN`.
    pub server: Text,
    /// The policy that set it, where all endpoints have one in common.
    pub policy: Option<ObjectId>,
    /// The symptom, for a conflict.
    pub symptom: Option<&'static str>,
    /// Both outcomes, where age decides between policies and is not known.
    pub undecided: Option<Text>,
}

/// A port of a host, perhaps a subset, and the number of the answer.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Cell {
    /// The service port.
    pub port: u16,
    /// The subset.
    pub subset: Option<Text>,
    answer: u32,
}

/// The answers of the whole mesh.
#[derive(Debug, Clone, Default)]
pub struct Table {
    classes: Arc<Classes>,
    /// The place of each pod's class; pods without proxy have none.
    class_of: Arc<FxHashMap<usize, usize>>,
    /// In the order of the registry's hosts.
    hosts: Vec<HostAnswers>,
    answers: Interned<Answer>,
    lists: Interned<Arc<[Cell]>>,
}

/// The answers for one host.
#[derive(Debug, Clone, Default)]
struct HostAnswers {
    /// Of the clients that nothing sets apart, by the kind of their proxy.
    others: [Option<Row>; 5],
    /// Of the classes that are apart, by their place.
    apart: Vec<(u32, Row)>,
    /// What comes of the endpoints, whichever client asks.
    outcomes: Outcomes,
    /// The namespaces whose policies the servers obey.
    servers: FxHashSet<Text>,
}

/// A list of answers, and where the rule was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Row {
    list: u32,
    /// The first pool that has anything for the client, whether or not it may use that.
    pool: Option<Level>,
}

/// Values that are held once, by number.
#[derive(Debug, Clone)]
struct Interned<T> {
    all: Vec<T>,
    numbers: FxHashMap<T, u32>,
    /// What was asked for last, which is often asked for next.
    last: u32,
}

impl<T> Default for Interned<T> {
    fn default() -> Self {
        Self { all: Vec::new(), numbers: FxHashMap::default(), last: 0 }
    }
}

impl<T: Clone + Eq + std::hash::Hash> Interned<T> {
    fn number(&mut self, value: T) -> u32 {
        if self.get(self.last).is_some_and(|last| *last == value) {
            return self.last;
        }
        if let Some(number) = self.numbers.get(&value) {
            self.last = *number;
            return *number;
        }
        let number = u32::try_from(self.all.len()).unwrap_or(u32::MAX);
        self.all.push(value.clone());
        self.numbers.insert(value, number);
        number
    }

    fn get(&self, number: u32) -> Option<&T> {
        self.all.get(usize::try_from(number).ok()?)
    }
}

impl Table {
    /// The answers of a mesh.
    pub fn new(mesh: &Mesh) -> Self {
        let classes = Classes::new(mesh, clients::classes(mesh, |_| true));
        let members = classes.all().iter().enumerate();
        let class_of = members.flat_map(|(at, class)| class.pods.iter().map(move |pod| (*pod, at)));
        let mut table =
            Self { class_of: Arc::new(class_of.collect()), classes: Arc::new(classes), ..Self::default() };
        let mut answers = Answers::new(mesh);
        for host in mesh.registry.hosts() {
            let mut all = HostAnswers { servers: servers(mesh, host), ..HostAnswers::default() };
            table.fill(&mut answers, host, &mut all);
            table.hosts.push(all);
        }
        table
    }

    /// What a client pod gets, host by host; nothing of hosts that are not in its scope. `mesh` is the one that the
    /// table is of.
    pub fn of_client<'a>(
        &'a self,
        mesh: &'a Mesh,
        pod: usize,
    ) -> impl Iterator<Item = (&'a Text, &'a [Cell])> {
        let class = self.class_of.get(&pod).copied();
        let proxy = mesh.workloads.get(pod).map_or(0, |client| client.proxy as usize);
        let rows = mesh.registry.hosts().zip(&self.hosts);
        let cells =
            rows.filter_map(move |(host, answers)| Some((host, self.cells(answers.row(class?, proxy)?))));
        cells.filter(|(_, cells)| !cells.is_empty())
    }

    /// What a client pod gets for one host.
    pub fn of_pair(&self, mesh: &Mesh, pod: usize, host: &str) -> &[Cell] {
        let find = || {
            let class = *self.class_of.get(&pod)?;
            let proxy = mesh.workloads.get(pod)?.proxy as usize;
            self.hosts.get(mesh.registry.place(host)?)?.row(class, proxy)
        };
        find().map(|row| self.cells(row)).unwrap_or_default()
    }

    /// The answer of a cell.
    pub fn answer(&self, cell: &Cell) -> Option<&Answer> {
        self.answers.get(cell.answer)
    }

    /// How many answers are told apart, and how many lists of them.
    pub fn sizes(&self) -> (usize, usize) {
        (self.answers.all.len(), self.lists.all.len())
    }

    fn cells(&self, row: Row) -> &[Cell] {
        self.lists.get(row.list).map(|list| &**list).unwrap_or_default()
    }

    /// Makes all answers for a host.
    fn fill<'a>(&mut self, answers: &mut Answers<'a>, host: &'a Text, all: &mut HostAnswers) {
        let (mesh, classes) = (answers.mesh(), Arc::clone(&self.classes));
        let apart = classes.apart(mesh, host);
        let mut pools = Pools::default();
        all.apart = Vec::with_capacity(apart.len());
        for at in &apart {
            let row = self.row(answers, host, *at, &mut pools, &mut all.outcomes);
            all.apart.extend(u32::try_from(*at).map(|at| (at, row)));
        }
        for (slot, mut rest) in all.others.iter_mut().zip(classes.others(&apart)) {
            *slot = rest.next().map(|at| self.row(answers, host, at, &mut pools, &mut all.outcomes));
        }
    }

    /// What the class at a place gets for a host: an empty list where it calls no such host.
    fn row<'a>(
        &mut self,
        answers: &mut Answers<'a>,
        host: &'a Text,
        class: usize,
        pools: &mut Pools<'a>,
        known: &mut Outcomes,
    ) -> Row {
        let mesh = answers.mesh();
        let client = self.classes.all().get(class).and_then(|class| class.representative(mesh));
        let target = client.and_then(|client| Some((client, mesh.target(client, host)?)));
        let is_called = |(client, target): &(&Workload, Target<'_>)| {
            target.is_in_scope() && !target.service.is_alias() && mesh.calls(client, target.service)
        };
        let Some((client, target)) = target.filter(is_called) else {
            return Row { list: self.list(Vec::new()), pool: None };
        };
        let rules = pools.of(mesh.of_client(client), &target);
        let choice = mesh.choice_of(client, &target, &rules);
        let called = mesh.scopes.subsets_called(client, host);
        let mut subsets = if called.is_empty() { Vec::new() } else { mesh.subsets(choice.as_ref()) };
        subsets.retain(|subset| called.contains(subset));
        let mut cells = Vec::with_capacity(target.service.ports().len());
        for port in target.service.ports().iter().filter(|port| port.tcp && target.has(port.number)) {
            for subset in std::iter::once(None).chain(subsets.iter().map(Some)) {
                let asked = (choice.clone(), port.number, subset.map(|subset| &**subset));
                let answer = self.answer_of(answers, client, &target, asked, known);
                cells.push(Cell { port: port.number, subset: subset.cloned(), answer });
            }
        }
        let pool = rules.found(&client.namespace).next().map(|found| found.level);
        Row { list: self.list(cells), pool }
    }

    fn list(&mut self, cells: Vec<Cell>) -> u32 {
        match self.lists.numbers.get(cells.as_slice()) {
            Some(known) => *known,
            None => self.lists.number(cells.into()),
        }
    }

    fn answer_of(
        &mut self,
        answers: &mut Answers<'_>,
        client: &Workload,
        target: &Target<'_>,
        (choice, port, subset): (Option<Choice>, u16, Option<&str>),
        known: &mut Outcomes,
    ) -> u32 {
        let mesh = answers.mesh();
        let rule = |choice: Option<&Choice>| {
            let choice = choice?;
            Some((mesh.rules.get(choice.primary)?.object.id.clone(), choice.level))
        };
        let policy =
            |server: &super::pair::ServerSide| Some(server.demand.as_ref()?.policy.as_ref()?.id.clone());
        let answer = if !mesh.is_plain()
            || client.body().is_some_and(|pod| pod.own_certificates)
            || client.unclear.is_some()
            || super::interception::excludes_addresses(client)
        {
            let pair = answers.pair(client, target, choice, port, subset);
            Answer {
                status: pair.status,
                rule: rule(pair.choice.as_ref()),
                sent: pair.effective,
                server: pair.server.mode.as_str().into(),
                policy: policy(&pair.server),
                symptom: pair.symptom,
                undecided: pair.undecided.map(Text::from),
            }
        } else {
            let (choice, outcome) = answers.outcome(client, target, (choice, port, subset), known);
            let unknown = outcome.unsettled.is_some() || mesh.gaps.touches(client, target.service);
            Answer {
                status: if unknown { Status::Unknown } else { outcome.status },
                rule: rule(choice.as_ref()),
                sent: outcome.effective,
                server: Arc::clone(&outcome.mode),
                policy: policy(&outcome.server),
                symptom: outcome.symptom.filter(|_| !unknown),
                undecided: None,
            }
        };
        self.answers.number(answer)
    }
}

impl HostAnswers {
    fn row(&self, class: usize, proxy: usize) -> Option<Row> {
        let apart =
            self.apart.binary_search_by_key(&class, |(at, _)| usize::try_from(*at).unwrap_or(usize::MAX));
        match apart {
            Ok(at) => self.apart.get(at).map(|(_, row)| *row),
            Err(_) => *self.others.get(proxy)?,
        }
    }
}

/// What the pools hold for the definition of a host that was asked about last.
#[derive(Default)]
struct Pools<'a> {
    last: Option<(usize, HostRules<'a>)>,
}

impl<'a> Pools<'a> {
    fn of(&mut self, mesh: &'a Mesh, target: &Target<'a>) -> HostRules<'a> {
        let address = std::ptr::from_ref(target.service).addr();
        match self.last {
            Some((known, rules)) if known == address => rules,
            Some(_) | None => {
                let rules = mesh.rules_for(target.service);
                self.last = Some((address, rules));
                rules
            }
        }
    }
}

/// The namespaces whose policies decide about the servers of a host.
fn servers(mesh: &Mesh, host: &str) -> FxHashSet<Text> {
    let mut found = FxHashSet::default();
    for service in mesh.registry.definitions(host) {
        found.insert(Arc::clone(&service.namespace));
        for endpoint in service.all_endpoints() {
            if !found.contains(&endpoint.namespace) {
                found.insert(Arc::clone(&endpoint.namespace));
            }
            let pod = endpoint.workload.and_then(|at| mesh.workloads.get(at));
            if let Some(pod) = pod.filter(|pod| !found.contains(&pod.namespace)) {
                found.insert(Arc::clone(&pod.namespace));
            }
        }
    }
    found
}
