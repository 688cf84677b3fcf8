//! Which policies are for a workload, and why the others are not (S1 to S7).

use std::fmt;

use crate::model::authorization_policy::TargetRef;
use crate::model::{Labels, Text};

/// The label of pods that stand for a gateway of the Gateway API, waypoints among them (S2).
pub const GATEWAY_NAME: &str = "gateway.networking.k8s.io/gateway-name";

const GATEWAY_API: &str = "gateway.networking.k8s.io";

/// What reads a workload's policies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Engine {
    /// Envoy beside a workload.
    Sidecar,
    /// Envoy as a gateway, of the Gateway API or a classic one.
    Gateway,
    /// Envoy as a waypoint.
    Waypoint,
    /// The node's ztunnel.
    Ztunnel,
}

impl Engine {
    /// Its word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Sidecar => "sidecar",
            Self::Gateway => "gateway",
            Self::Waypoint => "waypoint",
            Self::Ztunnel => "ztunnel",
        }
    }
}

/// The service that a waypoint handles.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handled {
    /// The name of its object.
    pub name: Text,
    /// Its namespace.
    pub namespace: Text,
    /// Whether it is a Kubernetes service, and no ServiceEntry.
    pub is_kubernetes: bool,
}

/// The workload that policies are for.
#[derive(Debug, Clone, PartialEq)]
pub struct Subject {
    /// Its namespace.
    pub namespace: Text,
    /// Its labels.
    pub labels: Labels,
    /// What reads its policies.
    pub engine: Engine,
    /// The service that a waypoint handles.
    pub service: Option<Handled>,
    /// The root namespace.
    pub root_namespace: Text,
    /// `ENABLE_SELECTOR_BASED_K8S_GATEWAY_POLICY` (S4).
    pub selectors_on_gateways: bool,
}

/// What of a policy tells whom it is for.
#[derive(Debug, Clone, Copy)]
pub struct Scope<'a> {
    /// Its namespace.
    pub namespace: &'a str,
    /// Its selector.
    pub selector: &'a Labels,
    /// Whether a selector is there.
    pub has_selector: bool,
    /// What it names.
    pub targets: &'a [TargetRef],
}

/// Why a policy is for a workload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum By {
    /// It has no selector, or one without labels, and is of the workload's namespace.
    Namespace,
    /// The same, of the root namespace.
    Mesh,
    /// Its selector.
    Selector,
    /// An object that it names.
    Target(TargetRef),
}

impl fmt::Display for By {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Namespace => f.write_str("its namespace"),
            Self::Mesh => f.write_str("the root namespace"),
            Self::Selector => f.write_str("its selector"),
            Self::Target(target) => write!(f, "targetRef to {} {}", target.kind, target.name),
        }
    }
}

/// Why a policy is not for a workload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WhyNot {
    /// It is of a namespace that is not looked at (S1).
    OtherNamespace,
    /// Its selector wants another value of a label.
    Label {
        /// The label.
        key: String,
        /// What the selector wants.
        wanted: String,
        /// What the workload has.
        got: Option<String>,
    },
    /// It names objects, and the workload is neither gateway nor waypoint (S3, S7).
    NamesTargets,
    /// What it names is not this gateway, and not the service that is handled (S6).
    OtherTargets,
    /// It names nothing, and is asked of a waypoint (S5) or of a gateway whose selectors are switched off (S4).
    NamesNothing,
    /// Its selector is there and empty: ztunnel lists it nowhere (S7).
    EmptySelector,
}

impl fmt::Display for WhyNot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OtherNamespace => {
                f.write_str("it is neither in the workload's namespace nor in the root namespace")
            }
            Self::Label { key, wanted, got } => {
                let got = got.as_deref().unwrap_or("no such label");
                write!(f, "its selector wants {key}={wanted}, the workload has {got}")
            }
            Self::NamesTargets => f.write_str("it has targetRefs, which no sidecar and no ztunnel reads"),
            Self::OtherTargets => f.write_str("its targetRefs name something else"),
            Self::NamesNothing => f.write_str("it has no targetRefs"),
            Self::EmptySelector => f.write_str("its selector is empty, which ztunnel takes for no workload"),
        }
    }
}

impl Subject {
    /// The name of the gateway that the workload stands for.
    fn gateway(&self) -> Option<&str> {
        self.labels.get(GATEWAY_NAME)
    }

    /// Whether a policy is for it.
    ///
    /// # Errors
    ///
    /// Why it is not.
    pub fn takes(&self, policy: Scope<'_>) -> Result<By, WhyNot> {
        let in_root = *policy.namespace == *self.root_namespace;
        let in_own = *policy.namespace == *self.namespace;
        let is_waypoint = self.engine == Engine::Waypoint;
        let of_service = self
            .service
            .as_ref()
            .is_some_and(|service| is_waypoint && *service.namespace == *policy.namespace);
        if !in_root && !in_own && !of_service {
            return Err(WhyNot::OtherNamespace);
        }
        // The label makes a gateway of the Gateway API, whatever the proxy is (S2); the classic one has none (S3).
        let by_name = match self.engine {
            Engine::Ztunnel => false,
            Engine::Sidecar | Engine::Gateway => self.gateway().is_some(),
            Engine::Waypoint => true,
        };
        match (policy.targets, by_name) {
            ([_, ..], false) => Err(WhyNot::NamesTargets),
            ([], true) if is_waypoint || !self.selectors_on_gateways => Err(WhyNot::NamesNothing),
            ([], _) => self.selected(policy, in_own),
            (targets, true) => {
                let fitting = targets.iter().find(|target| self.is_named(target, policy.namespace));
                fitting.cloned().map(By::Target).ok_or(WhyNot::OtherTargets)
            }
        }
    }

    fn selected(&self, policy: Scope<'_>, in_own: bool) -> Result<By, WhyNot> {
        let wrong = policy.selector.iter().find(|(key, value)| self.labels.get(key) != Some(*value));
        if let Some((key, wanted)) = wrong {
            let got = self.labels.get(key).map(str::to_owned);
            return Err(WhyNot::Label { key: key.to_owned(), wanted: wanted.to_owned(), got });
        }
        match (policy.selector.is_empty(), in_own) {
            (true, _) if policy.has_selector && self.engine == Engine::Ztunnel => Err(WhyNot::EmptySelector),
            (true, true) => Ok(By::Namespace),
            (true, false) => Ok(By::Mesh),
            (false, _) => Ok(By::Selector),
        }
    }

    /// Whether a reference of a policy in some namespace is to this gateway, or to the service that it handles (S6).
    fn is_named(&self, target: &TargetRef, namespace: &str) -> bool {
        let in_own = *namespace == *self.namespace;
        let handled = |is_kubernetes: bool| {
            self.service.as_ref().is_some_and(|service| {
                self.engine == Engine::Waypoint
                    && service.is_kubernetes == is_kubernetes
                    && *service.name == *target.name
                    && *service.namespace == *namespace
            })
        };
        match (target.group.as_str(), target.kind.as_str()) {
            (GATEWAY_API, "Gateway") => {
                let of_here = target.namespace.is_empty() || *target.namespace == *self.namespace;
                self.gateway() == Some(&target.name) && in_own && of_here
            }
            ("" | "core", "Service") => handled(true),
            ("networking.istio.io", "ServiceEntry") => handled(false),
            (GATEWAY_API, "GatewayClass") => {
                self.engine == Engine::Waypoint
                    && target.name == "istio-waypoint"
                    && *namespace == *self.root_namespace
            }
            (_, _) => false,
        }
    }
}
