//! What the lines of a cause show together: a burst, some among many that go well, one client or one endpoint of several, a
//! beginning just after a change. Each supports a cause and proves none, so it changes neither label nor confidence. Lines
//! without a time tell no order.

use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use super::{Asked, Cause, Family, Label, endpoints, is_failure};
use crate::correlate::age;
use crate::correlate::locate::Located;
use crate::diagnose::finding::{LogEvidence, Recorded};
use crate::logs::{Group, GroupIndex, PodOf, Reporter, format_time};
use crate::model::{Object, Text, time};
use crate::resolve::Workload;

/// So long after a change what begins may have to do with it, in seconds: proxies have it within a few, and callers
/// come later.
const AFTERWARDS: i64 = 600;

/// A burst is of so many lines at least, within that time in microseconds, or within the longest of their durations.
const BURST: (u64, i64) = (3, 1_000_000);

/// Lines counted: those that failed, and the others.
#[derive(Debug, Default, Clone, Copy)]
struct Tally {
    failed: u64,
    first_failed: Option<i64>,
    well: u64,
    first_well: Option<i64>,
    last_well: Option<i64>,
}

impl Tally {
    fn add(&mut self, group: &Group, failed: bool) {
        if failed {
            self.failed += group.count;
            self.first_failed = earliest(self.first_failed, group.first);
        } else {
            self.well += group.count;
            self.first_well = earliest(self.first_well, group.first);
            self.last_well = self.last_well.max(group.last);
        }
    }
}

fn earliest(one: Option<i64>, other: Option<i64>) -> Option<i64> {
    one.into_iter().chain(other).min()
}

/// A workload, by namespace and name.
type Name = (Text, Text);

/// A host and its port.
type Target = (Text, u16);

/// A proxy, and the cluster that its lines are about.
type Place<'a> = (&'a PodOf, Reporter, Option<&'a str>);

/// `None` where nothing tells whose line it is: several proxies may be in one file.
fn place(group: &Group) -> Option<Place<'_>> {
    let pod = Some(&group.pod).filter(|pod| **pod != PodOf::Unknown)?;
    Some((pod, group.reporter, group.upstream_cluster.as_deref()))
}

/// Those who wrote of a target: how many they are, how many of them failed, and the lines of those that did not.
#[derive(Debug, Default)]
struct Others {
    all: u64,
    failing: u64,
    well: u64,
}

/// All lines, counted by who wrote them and what they are about.
pub(super) struct Supports<'a> {
    by_place: FxHashMap<Place<'a>, Tally>,
    by_client: FxHashMap<(Target, Name), Tally>,
    by_server: FxHashMap<(Target, Name), Tally>,
    clients: FxHashMap<Target, Others>,
    servers: FxHashMap<Target, Others>,
}

impl<'a> Supports<'a> {
    /// Counts the lines once, whatever the causes are.
    pub(super) fn new(asked: &Asked<'_>, groups: &'a [Group], causes: &[Cause]) -> Self {
        let told = causes.iter().filter(|cause| cause.label.family() != Family::Harmless);
        let told: FxHashSet<GroupIndex> = told.flat_map(|cause| cause.groups.iter().copied()).collect();
        let (mut by_place, mut by_client, mut by_server) =
            (FxHashMap::<_, Tally>::default(), FxHashMap::default(), FxHashMap::default());
        for group in groups {
            let failed = is_failure(group) || told.contains(&group.index);
            if let Some(place) = place(group) {
                by_place.entry(place).or_default().add(group, failed);
            }
            let located = asked.locator.locate(group);
            let Some(target) = target(&located) else { continue };
            let (at, tallies) = match group.reporter {
                Reporter::Client => (located.client, &mut by_client),
                Reporter::Server => (located.server, &mut by_server),
                Reporter::Unknown => continue,
            };
            // An endpoint is a pod, and a client a workload.
            let name = asked.locator.workload(at).map(|workload| match group.reporter {
                Reporter::Server => pod(workload),
                Reporter::Client | Reporter::Unknown => name(workload),
            });
            if let Some(name) = name {
                tallies.entry((target, name)).or_insert_with(Tally::default).add(group, failed);
            }
        }
        let (clients, servers) = (others(&by_client), others(&by_server));
        Self { by_place, by_client, by_server, clients, servers }
    }
}

fn target(place: &Located) -> Option<Target> {
    Some((Arc::clone(place.host.as_ref()?), place.port?))
}

fn name(workload: &Workload) -> Name {
    (Arc::clone(&workload.namespace), Arc::clone(&workload.name))
}

fn pod(workload: &Workload) -> Name {
    (Arc::clone(&workload.namespace), Arc::clone(workload.pod.as_ref().unwrap_or(&workload.name)))
}

fn others(tallies: &FxHashMap<(Target, Name), Tally>) -> FxHashMap<Target, Others> {
    let mut found: FxHashMap<_, Others> = FxHashMap::default();
    for ((target, _), tally) in tallies {
        let others = found.entry(target.clone()).or_default();
        others.all += 1;
        if tally.failed > 0 {
            others.failing += 1;
        } else {
            others.well += tally.well;
        }
    }
    found
}

/// The lines of a cause: their groups, how many of them failed so, the first and the last.
struct Lines<'a> {
    groups: Vec<&'a Group>,
    /// All lines of the proxy and cluster that they are of, where that is one.
    beside: Option<Tally>,
    count: u64,
    first: Option<i64>,
    last: Option<i64>,
}

impl Lines<'_> {
    fn says(&self, text: String) -> LogEvidence {
        LogEvidence {
            by: Recorded::Lines,
            count: self.count,
            first: self.first.map(format_time),
            last: self.last.map(format_time),
            text,
            samples: Vec::new(),
        }
    }
}

impl Asked<'_> {
    /// What supports a cause.
    pub(super) fn supports(&self, all: &Supports<'_>, cause: &Cause) -> Vec<LogEvidence> {
        if cause.label.family() == Family::Harmless {
            return Vec::new();
        }
        let groups: Vec<_> =
            cause.groups.iter().filter_map(|index| self.by_index.get(index).copied()).collect();
        let first = groups.iter().filter_map(|group| group.first).min();
        let last = groups.iter().filter_map(|group| group.last).max();
        let mut places = groups.iter().map(|group| place(group));
        let one = places.next().flatten();
        let one = one.filter(|one| places.all(|other| other.as_ref() == Some(one)));
        let beside = one.and_then(|one| all.by_place.get(&one)).copied();
        let lines = Lines { groups, beside, count: cause.count, first, last };
        let at_one_time = self.burst(cause, &lines).or_else(|| among_others(&lines));
        let found = [
            at_one_time,
            self.one_client(all, cause, &lines),
            self.one_endpoint(all, cause, &lines).or_else(|| self.one_named(cause, &lines)),
            self.after_a_change(all, cause, &lines),
        ];
        found.into_iter().flatten().collect()
    }

    /// Many at one moment, where others of the same proxy went well, or where the address refused what came after.
    fn burst(&self, cause: &Cause, lines: &Lines<'_>) -> Option<LogEvidence> {
        let killed = |group: &&&Group| super::reset::is_reset(group) && self.is_burst_before_refusal(group);
        if cause.label == Label::SidecarKilled
            && let Some(group) = lines.groups.iter().find(killed)
        {
            let text = format!(
                "a burst that ends at one moment: {} requests under way broke off, and the address refused the next",
                group.count
            );
            return Some(lines.says(text));
        }
        let tally = lines.beside.as_ref()?;
        let (first, last) = lines.first.zip(lines.last)?;
        let longest = lines.groups.iter().filter_map(|group| group.duration_ms).map(|one| one.p99).max();
        let longest = i64::try_from(longest.unwrap_or_default()).unwrap_or(i64::MAX).saturating_mul(1000);
        let span = last.saturating_sub(first);
        let beside = tally.first_well.is_some_and(|well| well < first)
            && tally.last_well.is_some_and(|well| well > last);
        let is_burst = lines.count >= BURST.0 && span <= longest.max(BURST.1) && lines.count == tally.failed;
        (is_burst && beside).then(|| {
            lines.says(format!(
                "a burst: {} within {} ms, the others before and after it went well",
                share(lines.count, tally),
                span / 1000
            ))
        })
    }

    /// Only this one of several clients of the service.
    fn one_client(&self, all: &Supports<'_>, cause: &Cause, lines: &Lines<'_>) -> Option<LogEvidence> {
        let target = target(&cause.place)?;
        let others = all.clients.get(&target).filter(|others| others.failing == 1 && others.well > 0)?;
        let client = self.locator.workload(cause.place.client)?;
        let (host, port) = (Arc::clone(&target.0), target.1);
        let own = all.by_client.get(&(target, name(client))).filter(|own| own.failed > 0)?;
        Some(lines.says(format!(
            "one client only: {} of {}, and none of {} lines of {} other clients of {host}:{port}",
            share(own.failed, own),
            client.path(),
            others.well,
            others.all - 1
        )))
    }

    /// Only this one of several endpoints, by the lines of their own proxies.
    fn one_endpoint(&self, all: &Supports<'_>, cause: &Cause, lines: &Lines<'_>) -> Option<LogEvidence> {
        let target = target(&cause.place)?;
        let others = all.servers.get(&target).filter(|others| others.failing == 1 && others.well > 0)?;
        let server = pod(self.locator.workload(cause.place.server)?);
        let (host, port) = (Arc::clone(&target.0), target.1);
        let own = all.by_server.get(&(target, server.clone())).filter(|own| own.failed > 0)?;
        Some(lines.says(format!(
            "one endpoint only: {} of {}/{}, and none of {} lines of {} other endpoints of {host}:{port}",
            share(own.failed, own),
            server.0,
            server.1,
            others.well,
            others.all - 1
        )))
    }

    /// All lines of the clients name this one of several endpoints; what became of lines to the others is not told.
    fn one_named(&self, cause: &Cause, lines: &Lines<'_>) -> Option<LogEvidence> {
        let mut hosts = lines.groups.iter().flat_map(|group| &group.evidence.hosts);
        let (host, mut count) = *hosts.next()?;
        for (other, more) in hosts {
            if *other != host {
                return None;
            }
            count += more;
        }
        let pair = self.whole_pair(&cause.place).filter(|_| count == lines.count && count > 1)?;
        let pod = self.locator.workload(endpoints::at(&pair, host)?.workload)?;
        let all = pair.endpoints.len();
        (all > 1).then(|| {
            lines.says(format!(
                "one endpoint only: all {count} lines name {host} ({}), one of {all} endpoints",
                pod.path()
            ))
        })
    }

    /// The first failure of the pair came soon after an object that decides about it was changed.
    fn after_a_change(&self, all: &Supports<'_>, cause: &Cause, lines: &Lines<'_>) -> Option<LogEvidence> {
        let first = lines.first?;
        let of_client = || {
            let client = self.locator.workload(cause.place.client)?;
            all.by_client.get(&(target(&cause.place)?, name(client)))
        };
        let of_server = || {
            let server = self.locator.workload(cause.place.server)?;
            all.by_server.get(&(target(&cause.place)?, pod(server)))
        };
        let tally = of_client().or_else(of_server);
        if tally.is_some_and(|tally| tally.first_failed.is_some_and(|earlier| earlier < first)) {
            return None;
        }
        let pair = age::pair_of(self.locator, &cause.place);
        let mut objects =
            pair.map(|pair| age::settings(self.locator, cause.place.client, &pair)).unwrap_or_default();
        objects.extend(cause.proof.objects.iter().map(|one| Arc::clone(&one.object)));
        let second = first.div_euclid(1_000_000);
        let soon = |object: &Arc<Object>| {
            let times = [object.meta.changed, object.meta.created].into_iter().flatten();
            let before = times.filter(|time| (0..=AFTERWARDS).contains(&(second - time)));
            before.max().map(|time| (time, Arc::clone(object)))
        };
        let (changed, object) = objects.iter().filter_map(soon).max_by_key(|(time, _)| *time)?;
        let went_well = tally.and_then(|tally| tally.first_well);
        let before = if went_well.is_some_and(|well| well < changed.saturating_mul(1_000_000)) {
            "lines of the pair went well before"
        } else {
            "no line of the pair that went well before was read"
        };
        Some(lines.says(format!(
            "began after a change: {} s after {} was changed at {}; {before}",
            second - changed,
            object.id,
            time::format(changed)
        )))
    }
}

/// Some of many, with others that go well before and after: whatever is wrong is not wrong with all of them.
fn among_others(lines: &Lines<'_>) -> Option<LogEvidence> {
    let tally = lines.beside.as_ref()?;
    let (first, last) = lines.first.zip(lines.last)?;
    let before = tally.first_well.is_some_and(|well| well < last);
    let after = tally.last_well.is_some_and(|well| well > first);
    (before && after).then(|| {
        let share = share(lines.count, tally);
        lines.says(format!(
            "intermittent: {share} of the same proxy and cluster failed, among others that went well"
        ))
    })
}

/// How many of how many.
fn share(count: u64, tally: &Tally) -> String {
    let all = (tally.failed + tally.well).max(count);
    format!("{count} of {all} lines ({} %)", (count * 100).div_ceil(all.max(1)))
}

#[cfg(test)]
mod tests {
    use crate::correlate::cause::causes;
    use crate::correlate::locate::Locator;
    use crate::correlate::tests::{UC, client, mesh, pod, read, server};
    use crate::resolve::{Mesh, Options};

    /// What supports the cause with most lines.
    fn said(mesh: &str, clients: &str, servers: &str) -> Vec<String> {
        let bundle = read(mesh, clients, servers);
        let mesh = Mesh::new(&bundle.snapshot, &Options::default());
        let causes = causes(&Locator::new(&mesh), &bundle.logs);
        let main = causes.first().unwrap();
        main.proof.patterns.iter().map(|lines| format!("{}: {}", lines.count, lines.text)).collect()
    }

    fn ok(second: u32) -> String {
        client(second, "200 - via_upstream", "-")
    }

    fn failed(second: u32) -> String {
        client(second, UC, "-")
    }

    #[test]
    fn failures_among_others_that_go_well_are_intermittent_and_many_at_once_a_burst() {
        let sound = mesh("ISTIO_MUTUAL", "STRICT", &[true]);
        let some = ok(5) + &failed(10) + &ok(15) + &failed(20) + &ok(25);
        let wanted = "2: intermittent: 2 of 5 lines (40 %) of the same proxy and cluster failed, among others that went well";
        assert_eq!(said(&sound, &some, ""), [wanted]);
        // All of them, or in one piece at the end: nothing went well after it.
        assert!(said(&sound, &(failed(10) + &failed(20)), "").is_empty());
        assert!(said(&sound, &(ok(5) + &failed(10) + &failed(20)), "").is_empty());
        let at_once = ok(5) + &failed(10) + &failed(10) + &failed(10) + &ok(20);
        let wanted = "3: a burst: 3 of 5 lines (60 %) within 0 ms, the others before and after it went well";
        assert_eq!(said(&sound, &at_once, ""), [wanted]);
        // Lines without time tell no order.
        let untimed: Vec<_> = some.lines().map(|line| line.split_once(']').unwrap().1).collect();
        let untimed = format!("[-]{}\n", untimed.join("\n[-]"));
        assert!(said(&sound, &untimed, "").is_empty());
        // What the application itself answers needs no support.
        let own = ok(5) + &client(10, "500 - via_upstream", "-") + &ok(15);
        assert!(said(&sound, &own, "").is_empty());
    }

    #[test]
    fn one_client_of_several_and_one_endpoint_of_several_are_told() {
        let two = mesh("", "STRICT", &[true, true]) + &pod("web", "second", "10.8.1.9", true);
        let of_second = |lines: String| lines.replace("10.8.1.8", "10.8.1.9");
        // The log is not of the pod by whose name it is read: addresses tell the writers.
        let said = |clients: &str, servers: &str| {
            let folder = tempfile::tempdir().unwrap();
            let file = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
            file("mesh.yaml", &two);
            file("a.log", clients);
            file("b.log", servers);
            let paths = vec![crate::bundle::Path::File(folder.path().to_owned())];
            let bundle = crate::bundle::read(&crate::bundle::Request { paths, logs: Vec::new() }).unwrap();
            let mesh = Mesh::new(&bundle.snapshot, &Options::default());
            let causes = causes(&Locator::new(&mesh), &bundle.logs);
            let main = causes.first().unwrap();
            main.proof.patterns.iter().map(|lines| lines.text.clone()).collect::<Vec<_>>()
        };
        let one = failed(10) + &failed(20) + &of_second(ok(12) + &ok(22) + &ok(32));
        let wanted = "one client only: 2 of 2 lines (100 %) of web/client, and none of 3 lines of 1 other clients of \
                      cart.shop.svc.cluster.local:80";
        let named = "one endpoint only: all 2 lines name 10.8.2.0:9080 (shop/cart-0), one of 2 endpoints";
        assert_eq!(said(&one, ""), [wanted, named]);
        let both = failed(10) + &of_second(failed(12)).replace("10.8.2.0:9080", "10.8.2.1:9080");
        assert!(said(&both, "").is_empty());

        let second = |lines: String| lines.replace("10.8.2.0", "10.8.2.1");
        let well = |second| server(second, "200 - via_upstream");
        let at_one = server(10, UC) + &server(20, UC) + &second(well(11) + &well(21));
        let wanted = "one endpoint only: 2 of 2 lines (100 %) of shop/cart-0, and none of 2 lines of 1 other endpoints \
                      of cart.shop.svc.cluster.local:80";
        assert_eq!(said("", &at_one), [wanted]);
        let at_both = server(10, UC) + &second(server(20, UC));
        assert!(said("", &at_both).is_empty());
        // Nothing is known of the other endpoint.
        assert!(said("", &server(10, UC)).is_empty());
    }

    #[test]
    fn a_beginning_soon_after_a_change_is_told_with_the_object() {
        let changed = |time: &str| {
            let strict = mesh("DISABLE", "STRICT", &[true]);
            strict.replace(
                "metadata: {name: default, namespace: shop}",
                &format!("metadata: {{name: default, namespace: shop, creationTimestamp: '{time}'}}"),
            )
        };
        let lines = ok(5) + &failed(30) + &failed(40);
        let wanted = "2: began after a change: 10 s after PeerAuthentication shop/default was changed at \
                      2026-03-02T09:00:20Z; lines of the pair went well before";
        assert_eq!(said(&changed("2026-03-02T09:00:20Z"), &lines, ""), [wanted]);
        let unseen = said(&changed("2026-03-02T09:00:20Z"), &failed(30), "");
        assert!(unseen[0].ends_with("no line of the pair that went well before was read"), "{unseen:?}");
        // Long before, and after the first failure.
        assert!(said(&changed("2026-03-02T08:00:00Z"), &lines, "").is_empty());
        assert!(said(&changed("2026-03-02T09:00:35Z"), &lines, "").is_empty());
        assert!(said(&mesh("DISABLE", "STRICT", &[true]), &lines, "").is_empty());
    }
}
