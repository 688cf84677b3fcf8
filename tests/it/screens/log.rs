//! The log view and the pages it leads to.

use std::collections::BTreeSet;

use insta::assert_snapshot;
use meshscope::answer::check::EvidenceRef;
use meshscope::answer::{causes, check};
use meshscope::bundle::Path;

use super::{Colours, Session, Theme, read, with_lines_of};

/// A line of the client's proxy at a second; `what` are code, flags and details.
fn line(second: u32, path: &str, what: &str) -> String {
    format!(
        "[2026-03-02T09:{:02}:{:02}.000Z] \"GET {path} HTTP/1.1\" {what} - \"-\" 0 95 3 - \"-\" \"curl\" \
         \"id-{second}\" \"cart\" \"10.8.2.0:9080\" outbound|80||cart.shop.svc.cluster.local 10.8.1.8:{} 10.9.0.1:80 \
         10.8.1.8:5000 - default\n",
        second / 60,
        second % 60,
        10000 + second
    )
}

const OK: &str = "200 - via_upstream";
const UF: &str =
    "503 UF upstream_reset_before_response_started{remote_connection_failure,delayed_connect_error:_111}";
const UC: &str = "503 UC upstream_reset_before_response_started{connection_termination}";
const UO: &str = "503 UO overflow";

fn on(log: String, width: u16, height: u16) -> Session {
    let log: &'static str = Box::leak(log.into_boxed_str());
    with_lines_of(vec![Path::Embedded("access.log", log)], width, height)
}

/// Without any object: some requests fail in ways that have several causes, some in one that has one.
fn only_a_log(width: u16, height: u16) -> Session {
    let lines = (0..120).map(|second| {
        let what = match second {
            40..44 => UC,
            60..70 => UO,
            _ => OK,
        };
        line(second, &format!("/items/{second}"), what)
    });
    on(lines.collect(), width, height)
}

#[test]
fn a_log_alone() {
    assert_snapshot!(only_a_log(80, 24).press("l").text());
    assert_snapshot!(only_a_log(140, 30).press("l").text());
    assert_snapshot!(only_a_log(80, 24).press("l/code=503 and flags has UC<enter>").text());
}

#[test]
fn the_causes_and_what_they_lead_to() {
    let mut session = only_a_log(80, 24);
    assert_snapshot!(session.press("l<tab>").text());
    assert_snapshot!(session.press("j<enter>").text());
    // What is not ruled out has a page of its own.
    let text = session.press("<esc><esc>/code=503 and flags has UC<enter><enter>").text();
    assert!(text.contains("not ruled out:") && text.contains("- app-closed: "), "{text}");
    let lines: Vec<_> = text.lines().collect();
    assert!(lines[1].contains("line access.log:44") && lines[1].ends_with("possible"), "{text}");
    let text = session.press("<enter>").text();
    assert!(text.contains("explain "), "{text}");
}

#[test]
fn a_finding_without_objects_leads_to_its_lines() {
    let mut session = only_a_log(80, 40);
    let findings = session.text();
    assert!(findings.contains("MS0305"), "{findings}");
    let text = session.press("<enter>").text();
    assert!(!text.contains("was not read") && !text.contains("no service is called"), "{text}");
    assert!(
        text.contains("overflow") && text.contains("access.log:61") && text.contains("/items/60"),
        "{text}"
    );
    assert_snapshot!(text);
    // Every fact of the page can be reached, and leads somewhere or says that it does not.
    for step in 0..40 {
        session.press("j");
        let before = session.app.stack().iter().count();
        session.press("<enter>");
        let text = session.text();
        assert!(!text.contains("was not read") && !text.contains("nothing is known of"), "{step}: {text}");
        if session.app.stack().iter().count() > before {
            session.press("<esc>");
        }
    }
}

#[test]
fn a_finding_of_objects_leads_where_it_did() {
    let text = with_lines_of(meshscope::demo::paths(), 80, 24).press("<enter>").text();
    assert!(text.contains(" why "), "{text}");
}

#[test]
fn a_line_names_its_finding() {
    let mut session = with_lines_of(meshscope::demo::paths(), 160, 24);
    let text = session.press("l").text();
    assert!(text.contains("MS0101 plaintext-to-strict"), "{text}");
    let text = session.press("d").text();
    assert!(text.contains("finding   MS0101 plaintext-to-strict"), "{text}");
    let text = session.press("<esc><tab>").text();
    assert!(text.contains("plaintext-to-strict") && text.contains("MS0101"), "{text}");
}

/// Each cause is named by the finding that has all its lines as evidence, and each finding that lines make by a cause.
#[test]
fn a_cause_is_named_by_the_finding_that_has_its_lines() {
    let fixtures = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let folders = |area: &str| {
        let area = std::fs::read_dir(fixtures.join(area)).unwrap();
        area.map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()).collect::<Vec<_>>()
    };
    let areas = ["causes", "causes-ztunnel", "counters", "logs", "mtls"];
    let mut sources: Vec<_> = areas.into_iter().flat_map(folders).collect();
    // All at once: there the same lines have several causes.
    sources.push(fixtures.join("causes"));
    let (mut named, mut codes) = (0, BTreeSet::new());
    for source in sources {
        let read = read(vec![Path::File(source.clone())]);
        let (report, answer) = (check::check(&read), causes::causes(&read));
        let mut naming = BTreeSet::new();
        for one in &answer.causes {
            let Some(of) = &one.finding else { continue };
            let finding = report.findings.iter().find(|finding| finding.id == of.id).unwrap();
            let texts = |text: &str| {
                let mut all = finding.evidence.iter();
                all.any(|one| matches!(one, EvidenceRef::Log(lines) if lines.text == text))
            };
            assert!(
                one.cause.evidence.iter().all(|lines| texts(&lines.text)),
                "{}: {} by {}",
                source.display(),
                one.cause.cause,
                of.id
            );
            naming.insert(of.id.clone());
            codes.insert(of.code.clone());
            named += 1;
        }
        let by_lines = report.findings.iter().filter(|finding| {
            finding.code.starts_with("MS03")
                && finding.evidence.iter().any(|one| matches!(one, EvidenceRef::Log(_)))
        });
        for finding in by_lines {
            assert!(naming.contains(&finding.id), "{}: no cause of {}", source.display(), finding.id);
        }
    }
    assert!(named >= 30, "{named}");
    for code in ["MS0101", "MS0301", "MS0303", "MS0304", "MS0306", "MS0903"] {
        assert!(codes.contains(code), "{code} of {codes:?}");
    }
}

#[test]
fn a_mistake_is_shown_whole_with_its_place() {
    let mut session = only_a_log(80, 24);
    let before = session.press("l").text();
    let text = session.press("/code>=500 and flagz has UC").text();
    let lines: Vec<_> = text.lines().collect();
    let prompt = lines.iter().position(|line| line.starts_with(" /code>=500 and flagz has UC")).unwrap();
    // The mark stands below the wrong word.
    assert_eq!(lines[prompt].find("flagz"), lines[prompt + 1].find('^'), "{text}");
    let told = lines[prompt + 1..].join(" ");
    let whole = session.app.screen().behaviour().mistake().unwrap().1.to_owned();
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words(&told).contains(&words(&whole)), "{whole}\n{text}");
    assert!(!told.contains('…'), "{text}");
    assert_snapshot!(text);
    // It cannot be taken, and stays in sight; the place where it stands can be mended.
    assert!(session.press("<enter>").text().contains("flagz"), "still typed");
    assert!(session.app.prompt().is_some());
    let text = session.press("<ctrl-w><ctrl-w><ctrl-w>flags has UC<enter>").text();
    assert!(session.app.prompt().is_none() && text.contains("log(all)[4]"), "{text}");
    // Earlier queries come back.
    session.press("<esc>/<up>");
    assert!(session.text().contains("log(all)[4]"), "{}", session.text());
    session.press("<esc>");
    assert_eq!(session.text(), before);
}

#[test]
fn ranges_of_time_end_with_the_newest_line() {
    let mut session = only_a_log(80, 24);
    let number = |session: &Session| {
        let text = session.text();
        let (_, rest) = text.split_once("log(all)[").unwrap();
        rest.split(']').next().unwrap().parse::<u32>().unwrap()
    };
    session.press("l");
    assert_eq!(number(&session), 120);
    assert_eq!(number(session.press("2")), 61);
    assert!(session.text().contains("last 1 min"), "{}", session.text());
    session.press("<ctrl-y>");
    assert!(session.copied[0].ends_with("--since 2026-03-02T09:00:59.000Z"), "{:?}", session.copied);
    assert_eq!(number(session.press("3")), 120);
    // A query that takes older lines only does not move the end of the range.
    assert!(session.press("2/path=/items/3<enter>").text().contains("is of the last 1 min before"));
    assert_eq!(number(session.press("0")), 1);
    // The oldest and the newest.
    assert!(session.press("<esc>1").text().contains("▌09:00:00"), "{}", session.text());
    assert!(session.press("0").text().contains("▌09:01:59"), "{}", session.text());
}

#[test]
fn both_lines_of_a_request_have_its_cause() {
    let fixture = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/logs/application-closes");
    for query in ["", "/reporter=server<enter>"] {
        let mut session = with_lines_of(vec![Path::File(fixture.clone())], 80, 24);
        let text = session.press("l").press(query).text();
        let at_the_server = text.lines().filter(|line| line.contains("server   503"));
        let at_the_server: Vec<_> = at_the_server.collect();
        assert!(!at_the_server.is_empty(), "{text}");
        assert!(at_the_server.iter().all(|line| line.ends_with(" app-closed")), "{text}");
        assert!(
            text.lines().filter(|line| line.contains("   200")).all(|line| line.ends_with('-')),
            "{text}"
        );
    }
}

#[test]
fn what_is_said_of_a_line_without_a_cause_is_whole() {
    let fixture = "fixtures/causes/08-ut-per-try-timeout-retries";
    let fixture = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(fixture);
    let mut session = with_lines_of(vec![Path::File(fixture)], 60, 24);
    let text = session.press("l/line=9 and side=server<enter>d").text();
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains("alone: the line of the other side may tell it"), "{text}");
}

#[test]
fn an_id_that_a_caller_uses_twice_joins_nothing() {
    let server = |id: &str| {
        format!(
            "[2026-03-02T09:00:09.000Z] \"GET /x HTTP/1.1\" 503 - via_upstream - \"-\" 0 95 3 - \"-\" \"curl\" \"{id}\" \
             \"cart\" \"10.8.2.0:9080\" inbound|9080|| 127.0.0.6:4000 10.8.2.0:9080 10.8.1.8:1 - default\n"
        )
    };
    let with = |lines: &[String]| on(lines.concat(), 80, 24).press("l").text();
    let cause_at_the_server = |text: &str| {
        let line = text.lines().find(|line| line.contains(" server ")).unwrap().to_owned();
        line.split_whitespace().last().unwrap().to_owned()
    };
    let (client, again) = (line(1, "/x", UO), line(2, "/x", UO).replace("id-2", "id-1"));
    let twice = cause_at_the_server(&with(&[client.clone(), again, server("id-1")]));
    let once = cause_at_the_server(&with(&[client, server("id-1")]));
    assert_eq!((once.as_str(), twice.as_str()), ("overflow", "-"));
}

#[test]
fn a_long_line_can_be_read_whole() {
    let path = format!("/{}/end", "abcdefghij/".repeat(700));
    let log = line(1, "/before", OK) + &line(2, &path, UF) + &line(3, "/after", OK);
    let mut session = on(log, 80, 24);
    let text = session.press("lw").text();
    assert!(text.matches("abcdefghij/").count() > 60, "{text}");
    // Line by line down to the end of it.
    let text = session.press("j").text();
    assert!(text.contains("d shows the whole line"), "{text}");
    session.press("d");
    let mut read = String::new();
    for _ in 0..40 {
        let text = session.text();
        let body = text.lines().skip(3).take(18);
        read.extend(body.map(|line| line.trim().trim_start_matches('▌')));
        session.press("<pgdn>");
    }
    assert!(read.contains("/end"), "{read}");
    assert!(read.matches("abcdefghij/").count() >= 650, "{}", read.matches("abcdefghij/").count());
    // Short lines are whole in the view itself.
    let mut session = only_a_log(80, 24);
    let text = session.press("lw").text();
    assert!(text.matches(" default").count() >= 3 && !text.contains("sv…"), "{text}");
    assert_snapshot!(text);
    assert!(session.press("w").text().contains("TIME "));
}

#[test]
fn marks_are_kept_and_copied() {
    let mut session = only_a_log(80, 24);
    session.press("l  ");
    assert!(session.text().contains("2 marked") && session.text().contains("✔"), "{}", session.text());
    session.press("jjj<ctrl- >");
    assert!(session.text().contains("6 marked"), "{}", session.text());
    session.press("c");
    let copied = session.copied.pop().unwrap();
    assert_eq!(copied.lines().count(), 6);
    assert!(copied.starts_with("[2026-03-02T09:01:59"), "{copied}");
    // They are there again when the view is.
    session.press("<esc>");
    assert!(!session.text().contains("marked"));
    assert!(session.press("l").text().contains("6 marked"), "{}", session.text());
    session.press("<ctrl-\\>");
    assert!(!session.text().contains("marked"), "{}", session.text());
    // A second press takes a mark away.
    session.press("g k ");
    assert!(!session.text().contains("marked"), "{}", session.text());
}

#[test]
fn full_screen_and_dates() {
    let mut session = only_a_log(80, 24);
    let text = session.press("ltf").text();
    assert!(text.contains("2026-03-02 09:01:59.000") && !text.contains("meshscope"), "{text}");
    assert!(!text.contains("\n causes  "), "{text}");
    let text = session.press("f").text();
    assert!(text.contains("meshscope") && text.contains("\n causes  "), "{text}");
}

#[test]
fn what_lines_hold_never_reaches_the_terminal_raw() {
    let log = line(1, "/a\u{1b}[31m\u{202e}\u{9b}日本語\u{200b}", UF)
        + &line(2, "/\u{7}\u{1b}]0;owned\u{7}", UC).replace("curl", "e\u{301}vil\u{2066}\u{1b}[2J");
    let mut session = on(log, 80, 24);
    for keys in
        ["l", "<enter>", "<esc>d", "<esc>w", "j", "w<tab>", "<enter>", "<esc><esc>/path~\u{1b}\u{202e}z", "="]
    {
        session.press(keys);
        let terminal = session.terminal();
        for cell in terminal.backend().buffer().content() {
            let raw = |one: char| {
                one.is_control() || matches!(one, '\u{200b}' | '\u{202a}'..='\u{202e}' | '\u{2066}')
            };
            assert!(!cell.symbol().chars().any(raw), "{keys}: {:?}", cell.symbol());
        }
    }
    session.press("<esc><esc>l");
    assert!(
        session.text().contains("␛[31m") || session.press("d").text().contains("␛[31m"),
        "{}",
        session.text()
    );
}

#[test]
fn bars_are_digits_without_unicode() {
    let mut session = only_a_log(80, 24);
    session.theme = Theme::new(Colours::None, false);
    for keys in ["l", "w", "w<tab>", "<enter>"] {
        let text = session.press(keys).text();
        assert!(text.is_ascii(), "{text}");
    }
    session.press("<esc><esc>l");
    assert!(session.text().contains("88888"), "{}", session.text());
}

#[test]
fn a_hundred_thousand_lines_are_scrolled_as_a_hundred_are() {
    let log: String = (0..100_000).map(|number| line(number % 3600, &format!("/{number}"), OK)).collect();
    let mut session = on(log, 200, 60);
    let begun = std::time::Instant::now();
    session.press("l");
    assert!(session.text().contains("of 100,000 lines"), "{}", session.text());
    let first = begun.elapsed();
    let begun = std::time::Instant::now();
    for _ in 0..50 {
        session.press("j<pgdn>Ggk");
        session.terminal();
    }
    let scrolled = begun.elapsed();
    // 300 moves and 50 pictures take no longer than making the rows once: neither looks at what is out of sight.
    assert!(scrolled < first * 3, "{scrolled:?} against {first:?}");
}

/// What a server's proxy writes of the second: of a request, or of a connection that no filter chain wanted.
fn at_server(second: u32, refused: bool) -> String {
    let time = format!("[2026-03-02T09:{:02}:{:02}.001Z]", second / 60, second % 60);
    let ends = format!("10.8.2.0:9080 10.8.1.8:{}", 10000 + second);
    if refused {
        return format!(
            "{time} \"- - -\" 0 NR filter_chain_not_found - \"-\" 0 0 0 - \"-\" \"-\" \"-\" \"-\" \"-\" - - {ends} - -\n"
        );
    }
    format!(
        "{time} \"GET / HTTP/1.1\" {UC} - \"-\" 0 95 3 - \"-\" \"curl\" \"id-{second}\" \"cart\" \"10.8.2.0:9080\" \
         inbound|9080|| 127.0.0.6:4000 {ends} outbound_.80_._.cart.shop.svc.cluster.local default\n"
    )
}

/// Lines alike of which the server tells two causes, and of some none.
fn several_causes() -> String {
    let clients: String = (0..8).map(|at| line(at * 5, "/", UC)).collect();
    let servers: String = (0..5).map(|at| at_server(at * 5, at < 3)).collect();
    clients + &servers
}

#[test]
fn a_line_has_the_cause_that_its_own_request_tells() {
    let mut session = on(several_causes(), 140, 30);
    let text = session.press("l").text();
    let has = |time: &str, side: &str, cause: &str| {
        let of = text.lines().filter(|line| line.contains(time) && line.contains(side));
        let of: Vec<_> = of.filter(|line| line.contains(" 503 ") || line.contains("   0 ")).collect();
        assert!(of.len() == 1 && of[0].trim_end().ends_with(cause), "{time} {side} {cause}\n{text}");
    };
    for at in 0..8 {
        let time = format!("09:00:{:02}", at * 5);
        let cause = match at {
            0..3 => "  plaintext-to-strict",
            3..5 => "  app-closed",
            _ => "  one of 3?",
        };
        has(&time, "client", cause);
        if at < 5 {
            has(&time, "server", cause);
        }
    }
    // The newest is one of those that nothing tells.
    let page = session.press("d").text();
    assert!(page.contains("lines like it have one of: ") && !page.contains("no failure"), "{page}");
    assert!(!page.contains("plaintext-to-strict, certain"), "{page}");
    // The first of all is the refusal's.
    let page = session.press("<esc>Gd").text();
    assert!(page.contains("plaintext-to-strict, certain"), "{page}");
}

#[test]
fn evidence_of_a_part_of_lines_alike_is_of_that_part() {
    let log: &'static str = Box::leak(several_causes().into_boxed_str());
    let read = read(vec![Path::Embedded("access.log", log)]);
    let report = meshscope::answer::logs::report(&read, None);
    let samples = |cause: &str, confidence: &str| {
        let mut of = report.causes.iter().filter(|one| one.cause == cause && one.confidence == confidence);
        let one = of.next().unwrap_or_else(|| panic!("{:#?}", report.causes));
        let lines = &one.evidence[0];
        let samples: Vec<_> = lines.samples.iter().map(|sample| sample.line).collect();
        (lines.count, lines.first.clone(), lines.last.clone(), samples)
    };
    let at = |second: u32| Some(format!("2026-03-02T09:00:{second:02}.000Z"));
    assert_eq!(samples("plaintext-to-strict", "certain"), (3, at(0), at(10), vec![1, 2, 3]));
    assert_eq!(samples("app-closed", "certain"), (2, at(15), at(20), vec![4, 5]));
    // Which the others are, nothing tells.
    assert_eq!(samples("plaintext-to-strict", "possible"), (3, None, None, vec![]));
}

#[test]
fn what_a_proxy_refused_has_failed() {
    let denied = "403 UAEX ext_authz_denied";
    let log = line(0, "/", denied) + &line(1, "/", OK) + &at_server(2, true) + &line(3, "/", "101 DC -");
    let text = on(log, 120, 30).press("l").text();
    let failed = text.lines().find(|line| line.starts_with(" failed")).unwrap_or_else(|| panic!("{text}"));
    assert!(failed.contains(" 2  ") && failed.contains("50%"), "{text}");
}

/// The messages of the findings that lines make.
fn messages(log: String) -> Vec<String> {
    let log: &'static str = Box::leak(log.into_boxed_str());
    let read = read(vec![Path::Embedded("access.log", log)]);
    check::check(&read).findings.into_iter().map(|one| format!("{} {}", one.code, one.message)).collect()
}

#[test]
fn a_finding_of_several_reasons_tells_how_many_lines_have_each() {
    let by_policy = "403 - rbac_access_denied_matched_policy[ns[shop]-policy[deny-all]-rule[0]]";
    let uaex = "403 UAEX ext_authz_denied";
    let said = |of: &[(u32, &str)]| {
        let mut second = 0;
        let mut log = String::new();
        for (count, what) in of {
            for _ in 0..*count {
                log += &line(second, "/", what);
                second += 1;
            }
        }
        messages(log).concat()
    };
    let both = said(&[(6, by_policy), (5, uaex)]);
    assert!(both.contains("11 requests were denied: 6 × ") && both.contains("; 5 × "), "{both}");
    let one = said(&[(5, uaex)]);
    assert!(one.contains("5 requests were denied: 403 UAEX"), "{one}");
    let limits = said(&[(6, UO), (5, "429 RL request_rate_limited")]);
    assert!(limits.contains("a limit refused 11 requests: 6 × ") && limits.contains("; 5 × "), "{limits}");
}
