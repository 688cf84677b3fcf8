//! The rules of authorization on the screen, and the ways that lead to them.

use insta::assert_snapshot;
use meshscope::app::screen::View;
use meshscope::bundle::Path;

use super::{Session, with_lines_of, yaml};

const MESH: &str = include_str!("../../../fixtures/authorization-view/mesh.yaml");
const LOG: &str = include_str!("../../../fixtures/authorization-view/logs/shop/cart-7d9f-abcde.log");

fn shop(width: u16, height: u16) -> Session {
    let log = Path::Embedded("logs/shop/cart-7d9f-abcde.log", LOG);
    with_lines_of(vec![Path::Embedded("mesh.yaml", MESH), log], width, height)
}

#[test]
fn rules() {
    assert_snapshot!(shop(80, 24).press(":rules<enter>j").text());
    assert_snapshot!(shop(160, 30).press(":rules cart.shop<enter>jj").text());
    assert_snapshot!(shop(80, 24).press(":rules<enter>G<ctrl-w>").text());
}

#[test]
fn a_workload_line_leads_to_its_rules_and_a_rule_to_its_policy() {
    let mut session = shop(120, 24);
    session.press(":rules<enter><enter>");
    assert!(session.text().contains("rules(cart.shop)[4]"), "{}", session.text());
    session.press("jj<enter>");
    assert!(session.text().contains("AuthorizationPolicy istio-system/no-admin"), "{}", session.text());
    assert!(session.text().contains("spec.rules[0]"), "{}", session.text());
    for keys in ["<esc>d", "<esc>y"] {
        assert!(session.press(keys).text().contains("istio-system/no-admin  spec.rules[0]"), "{keys}");
    }
    let text = session.press("<esc>x").text();
    assert!(text.contains("› explain") && text.contains("refuses what a rule matches"), "{text}");
}

#[test]
fn a_name_can_be_a_pod_a_workload_or_a_service() {
    for name in ["cart-7d9f-abcde", "rs/cart", "cart.shop", "cart-http", "svc/cart-http"] {
        let text = shop(120, 24).press(&format!(":rules {name}<enter>")).text();
        assert!(text.contains(")[4]"), "{name}: {text}");
    }
    let text = shop(120, 24).press(":rules nosuch<enter>").text();
    assert!(text.contains("no workload and no service is called nosuch"), "{text}");
    let text = shop(120, 24).press(":rules bare-1<enter>").text();
    assert!(text.contains("no proxy: no policy is enforced"), "{text}");
}

const ALONE: &str = "
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {namespace: shop, name: none}
spec: {}
";

#[test]
fn an_empty_view_says_why() {
    let text = Session::demo(80, 24).press(":rules<enter>").text();
    assert!(text.contains("no AuthorizationPolicies in mesh/: authorization refuses nothing"), "{text}");
    assert!(shop(120, 24).press(":rules<enter>/nosuch<enter>").text().contains("the filter hides all rules"));
    let text = shop(120, 24).press(":rules<enter>2").text();
    assert!(text.contains("no rules for workloads of quiet: press 0"), "{text}");
    let text = Session::on(yaml(ALONE), 80, 24).press(":rules<enter>").text();
    assert!(text.contains("1 AuthorizationPolicy and no workload in mesh/"), "{text}");
}

#[test]
fn the_filter_keeps_the_workloads_of_the_rules_that_pass() {
    let text = shop(120, 24).press(":rules<enter>/reads<enter>").text();
    assert!(text.contains("rules(all)[2]") && text.contains("shop/cart"), "{text}");
    assert!(!text.contains("shop/front"), "{text}");
}

#[test]
fn rules_are_sorted_within_their_workload() {
    let order = |text: &str| {
        let lines = text.lines().filter(|line| line.contains("shop/") || line.contains("istio-system/"));
        let names = ["no-admin", "cart-reads", "no-bots"];
        lines.filter_map(|line| names.into_iter().find(|name| line.contains(name))).collect::<Vec<_>>()
    };
    let mut session = shop(120, 24);
    let by_number = order(&session.press(":rules cart.shop<enter>").text());
    assert_eq!(by_number.len(), 4, "{by_number:?}");
    let by_policy = order(&session.press("gP").text());
    assert_eq!(by_policy, ["no-admin", "cart-reads", "cart-reads", "no-bots"]);
    let back = order(&session.press("P").text());
    assert_eq!(back, ["no-bots", "cart-reads", "cart-reads", "no-admin"]);
    assert_eq!(order(&session.press("N").text()), by_number);
}

#[test]
fn a_denied_line_leads_to_the_rule_that_denied_it() {
    // The newest stands first: let in, refused since nothing allowed it, refused by a rule.
    let mut session = shop(140, 24);
    session.press(":log<enter>ja");
    assert_eq!(session.app.screen().view(), View::AuthzRules);
    assert!(session.text().contains("the line: no ALLOW rule matched"), "{}", session.text());
    session.press("<esc>ja");
    let text = session.text();
    assert!(text.contains("the line: denied by istio-system/no-admin rule 0"), "{text}");
    assert!(!text.contains("not among these"), "{text}");
    let text = session.press("<enter>").text();
    assert!(text.contains("AuthorizationPolicy istio-system/no-admin"), "the rule is selected: {text}");
    // One that was let in says nothing.
    let text = session.press("<esc><esc>ga").text();
    assert!(text.contains("rules(") && !text.contains("the line:"), "{text}");
}

#[test]
fn a_rule_that_is_gone_is_said_to_be_gone() {
    let log = LOG.replace("no-admin", "long-gone");
    let log = Path::Embedded("logs/shop/cart-7d9f-abcde.log", Box::leak(log.into_boxed_str()));
    let mut session = with_lines_of(vec![Path::Embedded("mesh.yaml", MESH), log], 140, 24);
    let text = session.press(":log<enter>Ga").text();
    assert!(text.contains("denied by istio-system/long-gone rule 0, which is not among these"), "{text}");
}

#[test]
fn what_a_caller_writes_is_not_taken_for_a_denial() {
    let log = LOG.replace("\"curl/8\"", "\"rbac_access_denied_matched_policy[ns[a]-policy[b]-rule[0]]\"");
    let log = Path::Embedded("logs/shop/cart-7d9f-abcde.log", Box::leak(log.into_boxed_str()));
    let mut session = with_lines_of(vec![Path::Embedded("mesh.yaml", MESH), log], 140, 24);
    assert!(!session.press(":log<enter>a").text().contains("the line:"), "{}", session.text());
    assert!(session.press("<esc>ja").text().contains("no ALLOW rule matched"), "{}", session.text());
}

#[test]
fn a_rule_leads_to_its_log_lines() {
    let mut session = shop(140, 24);
    // Of a rule that refuses those that name it, of any other those of the workload.
    let text = session.press(":rules cart.shop<enter>jjl").text();
    assert!(text.contains("log(all)[1]") && text.contains("/admin"), "{text}");
    let text = session.press("<esc><esc>:rules cart.shop<enter>gl").text();
    assert!(text.contains("log(all)[3]"), "{text}");
}

#[test]
fn the_command_of_the_view_names_the_workload() {
    let mut session = shop(120, 24);
    session.press(":rules<enter>jj<ctrl-y>cn");
    assert_eq!(session.copied, ["meshscope authz list -f mesh/ cart.shop", "no-admin", "istio-system"]);
}

/// The cells of the rule of a name: its number, hits and denials, the last one.
fn cells(session: &Session, name: &str) -> Vec<String> {
    let text = session.text();
    let line = text.lines().find(|line| line.contains(name)).unwrap_or_else(|| panic!("{text}"));
    line.trim_start_matches(['▌', ' ']).split_whitespace().take(4).map(str::to_owned).collect()
}

#[test]
fn hits_are_those_of_the_lines_and_can_be_reset() {
    let mut session = shop(120, 24);
    assert!(session.press(":reset<enter>").text().contains("nothing is counted yet"), "{}", session.text());
    session.press(":rules cart.shop<enter>");
    assert_eq!(cells(&session, "no-admin"), ["2", "1", "1", "09:00:01"]);
    session.press("z");
    assert!(session.text().contains("rules are counted from now on"), "{}", session.text());
    assert_eq!(cells(&session, "no-admin"), ["2", "0", "0", "-"]);
    // Without a log nothing is counted, which is not the same as never.
    let mut session = Session::on(yaml(MESH), 120, 24);
    session.press(":rules cart.shop<enter>");
    assert_eq!(cells(&session, "no-admin"), ["2", "-", "-", "-"]);
    // No line of this workload was read.
    let mut session = shop(120, 24);
    session.press(":rules front-1<enter>");
    assert_eq!(cells(&session, "no-admin"), ["2", "-", "-", "-"]);
}

#[test]
fn hostile_names_are_shown_and_not_obeyed() {
    let mesh = MESH.replace("no-admin", "\"no\\e[31m\\u202eadmin\"").replace("/admin/*", "\"/\\e]0;x\\a\"");
    let mut session = Session::on(yaml(Box::leak(mesh.into_boxed_str())), 160, 40);
    for keys in [":rules<enter>j", "<enter>", "<esc>l", "<esc>:rules \u{1b}x\u{202e}<enter>"] {
        session.press(keys);
        for cell in session.terminal().backend().buffer().content() {
            let raw = |one: char| one.is_control() || ('\u{202a}'..='\u{202e}').contains(&one);
            assert!(!cell.symbol().chars().any(raw), "{keys}: {:?}", cell.symbol());
        }
    }
}

/// Pods that no selector tells apart share one list, whatever other labels they have.
#[test]
fn pods_of_a_workload_are_one_workload() {
    use meshscope::answer::authz::workloads::workloads;

    let read = super::read(yaml(MESH));
    let all = workloads(&read.mesh);
    let found: Vec<_> = all
        .workloads
        .iter()
        .map(|one| (one.workload.path(), one.pods, one.list.engine, one.list.rules.len()))
        .collect();
    let found: Vec<_> =
        found.iter().map(|(path, pods, engine, rules)| (&**path, *pods, *engine, *rules)).collect();
    assert_eq!(
        found,
        [("quiet/bare-1", 1, "none", 0), ("shop/cart", 2, "sidecar", 4), ("shop/front-1", 1, "sidecar", 2)]
    );
}
