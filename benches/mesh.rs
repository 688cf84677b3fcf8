//! A big mesh, each task against what a user would do instead, in the same run on the same objects.
//!
//! `cargo bench --bench mesh` prints divan's table and then the figures that are ratios or quantiles.

#![allow(missing_docs, reason = "divan's macros make public items")]
#![allow(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
#![allow(clippy::print_stdout, reason = "what is measured is printed")]
#![allow(clippy::indexing_slicing, reason = "an absent key of a JSON value is null")]
#![allow(unreachable_pub, reason = "a module of a benchmark")]

mod big;
mod obvious;

use std::alloc::System;
use std::hint::black_box;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use meshscope::model::{Change, Snapshot};
use meshscope::resolve::config::Ages;
use meshscope::resolve::rules::RuleIndex;
use meshscope::resolve::{Mesh, Options, Table};
use serde_json::{Value, json};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

use big::{RULES, Random, SERVICES};
use obvious::Obvious;

fn main() {
    divan::main();
    if std::env::args().any(|argument| argument == "--bench") {
        figures();
    }
}

/// The file, for all that read it.
fn file() -> &'static std::path::Path {
    static FILE: OnceLock<tempfile::NamedTempFile> = OnceLock::new();
    FILE.get_or_init(big::file).path()
}

fn mesh() -> &'static Arc<Mesh> {
    static MESH: OnceLock<Arc<Mesh>> = OnceLock::new();
    MESH.get_or_init(|| Mesh::new(&big::read(file()).snapshot, &Options::default()))
}

/// The objects of one text.
fn objects(value: &Value) -> Snapshot {
    let file = tempfile::Builder::new().suffix(".json").tempfile().expect("a file can be made");
    std::fs::write(file.path(), value.to_string()).expect("the file can be written");
    big::read(file.path()).snapshot
}

/// All answers of all clients.
#[divan::bench_group(sample_count = 5, sample_size = 1)]
mod table {
    use divan::Bencher;
    use divan::counter::ItemsCount;

    use super::{Obvious, SAMPLE, SERVICES, Table, big, black_box, mesh, sample};

    #[divan::bench]
    fn whole(bencher: Bencher<'_, '_>) {
        let mesh = mesh();
        let cells = big::NAMESPACES * SERVICES * 2;
        bencher.counter(ItemsCount::new(cells)).bench(|| Table::new(black_box(mesh)));
    }

    /// The peer: for each pair a loop over all rules and policies.
    #[divan::bench]
    fn obvious_loop(bencher: Bencher<'_, '_>) {
        let obvious = Obvious::new(mesh());
        let pairs = sample();
        bencher.counter(ItemsCount::new(SAMPLE)).bench(|| {
            pairs.iter().map(|(pod, service, port)| obvious.answer(*pod, *service, *port)).collect::<Vec<_>>()
        });
    }
}

/// How many cells are computed by the obvious loop.
const SAMPLE: usize = 300;

/// Clients, services and ports, spread over the mesh.
fn sample() -> Vec<(usize, usize, u16)> {
    let mut random = Random::new(11);
    let pods = mesh().workloads.all().len();
    (0..SAMPLE)
        .map(|at| (random.below(pods), random.below(SERVICES), if at % 2 == 0 { 80 } else { 81 }))
        .collect()
}

/// Counts every byte that is asked for and given back.
#[global_allocator]
static MEMORY: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// What a value holds in memory, in kB, and the value.
fn held<T>(make: impl FnOnce() -> T) -> (T, usize) {
    let region = Region::new(MEMORY);
    let value = make();
    let change = region.change();
    (value, change.bytes_allocated.saturating_sub(change.bytes_deallocated) / 1024)
}

fn timed<T>(run: impl FnOnce() -> T) -> (T, Duration) {
    let start = Instant::now();
    let value = run();
    (value, start.elapsed())
}

/// The ratios and quantiles that are goals, each with its goal.
fn figures() {
    let mesh = mesh();
    let ((mut table, whole), of_table) = held(|| timed(|| Table::new(mesh)));
    let obvious = Obvious::new(mesh);
    let pairs = sample();
    let (answers, by_loop) = timed(|| {
        pairs.iter().map(|(pod, service, port)| obvious.answer(*pod, *service, *port)).collect::<Vec<_>>()
    });
    for ((pod, service, port), answer) in pairs.iter().zip(answers) {
        assert_eq!(obvious::of_table(mesh, &table, (*pod, *service, *port)), answer, "both say the same");
    }
    let cells = u32::try_from(big::NAMESPACES * SERVICES * 2).unwrap_or(u32::MAX);
    let of_all = by_loop * (cells / u32::try_from(SAMPLE).unwrap_or(1));
    let ratio = of_all.as_secs_f64() / whole.as_secs_f64();
    println!("R1 whole table                 {whole:>10.1?}  1/{ratio:.0} of the obvious loop (goal: 1/12)");
    let (distinct, lists) = table.sizes();
    println!("   distinct answers, lists     {distinct}, {lists}");
    let (answers, read) = timed(|| table.of_client(mesh, 0).map(|(_, cells)| cells.len()).sum::<usize>());
    println!("R2 one client, from the table  {read:>10.1?}  {answers} answers (goal: 5 ms)");
    let new = || RuleIndex::new(&mesh.snapshot, &mesh.config, Ages::MissingIsOldest);
    let ((rules, index), of_rules) = held(|| timed(new));
    println!("   rule index from nothing     {index:>10.1?}");
    println!("   memory: table {of_table} kB, rule index {of_rules} kB of {} rules", rules.all().count());
    changed_rules(mesh, &mut table);
}

/// One rule after the other, taken up by mesh and table.
fn changed_rules(mesh: &Arc<Mesh>, table: &mut Table) {
    let mut random = Random::new(17);
    let rules = (0..300).map(|_| big::rule(random.below(RULES), &mut random)).collect::<Vec<_>>();
    let (mut mesh, mut times) = (Mesh::clone(mesh), Vec::new());
    let mut take = |change: Snapshot| {
        let delta: Vec<_> = change.objects().map(|object| Change::Upsert(Arc::clone(object))).collect();
        let ((next, changed), resolve) = timed(|| mesh.apply(delta));
        let ((), update) = timed(|| table.update(&mesh, &next, &changed));
        mesh = next;
        resolve + update
    };
    times.extend(rules.iter().map(|rule| take(objects(rule))));
    times.sort();
    let at = |share: usize| times.get(times.len() * share / 100).copied().unwrap_or_default();
    let (middle, late) = (at(50), at(99));
    println!("R2 one changed rule            {middle:>10.1?}  p99 {late:.1?} (goal: p99 5 ms)");
    let spec = |mode: &str| json!({"host": "*.local", "trafficPolicy": {"tls": {"mode": mode}}});
    let metadata =
        json!({"name": "all", "namespace": "istio-system", "creationTimestamp": "2025-01-01T00:00:00Z"});
    let mut slowest = Duration::ZERO;
    for mode in ["SIMPLE", "DISABLE", "ISTIO_MUTUAL", "SIMPLE"] {
        let rule = json!({
            "apiVersion": "networking.istio.io/v1", "kind": "DestinationRule", "metadata": metadata,
            "spec": spec(mode),
        });
        slowest = slowest.max(take(objects(&rule)));
    }
    println!("R2 *.local in the root         {slowest:>10.1?}  the slowest of four (goal: 20 ms)");
    let afresh = Table::new(&mesh);
    for pod in (0..mesh.workloads.all().len()).step_by(997) {
        let all = |table: &Table| -> Vec<_> {
            let cells = table
                .of_client(&mesh, pod)
                .flat_map(|(host, cells)| cells.iter().map(move |cell| (host.clone(), cell)));
            cells.map(|(host, cell)| (host, cell.port, table.answer(cell).cloned())).collect()
        };
        assert_eq!(all(table), all(&afresh), "taking up changes gives what a new table has");
    }
}
