//! istiod's feature flags that decide answers: which there are, and which are on.

use std::collections::BTreeSet;

use super::config::IstioVersion;

/// A flag of istiod's environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Flag {
    /// Merging takes export sets into account (DR-6.3).
    EnhancedMerge,
    /// Rules without host are inherited by others.
    RuleInheritance,
    /// Of several definitions of a host a sidecar's scope takes the best and not the first namespace (DR-7.5).
    UnifiedSidecarScope,
    /// The same for services that routes bring into scope.
    BestServiceNamespace,
    /// The clusters of headless services have their endpoints listed, and not the address asked for (MT-4.15).
    EdsForHeadless,
    /// A rule's TLS wins over the proxy's own certificates, for services outside the mesh (MT-4.9).
    RuleTlsForExternal,
    /// istiod serves ambient mode (MT-6.2).
    Ambient,
    /// In ambient mode sidecars and gateways send through tunnels (MT-6.2).
    SendingHbone,
    /// They do so even to endpoints that speak Istio's mutual TLS (MT-6.3).
    PreferSendingHbone,
    /// In ambient mode sidecars end tunnels, where their label announces that (MT-6.2).
    SidecarListeningHbone,
    /// Sidecars end TLS that their `Sidecar` describes (MT-2.5).
    SidecarIngressTls,
    /// Policies without targetRefs reach gateways of the Gateway API (S4).
    SelectorsOnGateways,
    /// One workload may have several external authorizers (O9).
    SeveralAuthorizers,
}

impl Flag {
    /// All: those that decide about rules and endpoints, then those of ambient mode, and those about
    /// authorization.
    pub const ALL: [Self; 13] = [
        Self::EnhancedMerge,
        Self::RuleInheritance,
        Self::UnifiedSidecarScope,
        Self::BestServiceNamespace,
        Self::RuleTlsForExternal,
        Self::EdsForHeadless,
        Self::Ambient,
        Self::SendingHbone,
        Self::PreferSendingHbone,
        Self::SidecarListeningHbone,
        Self::SidecarIngressTls,
        Self::SelectorsOnGateways,
        Self::SeveralAuthorizers,
    ];

    /// The name of the environment variable.
    pub fn name(self) -> &'static str {
        match self {
            Self::EnhancedMerge => "ENABLE_ENHANCED_DESTINATIONRULE_MERGE",
            Self::RuleInheritance => "PILOT_ENABLE_DESTINATION_RULE_INHERITANCE",
            Self::UnifiedSidecarScope => "PILOT_UNIFIED_SIDECAR_SCOPE",
            Self::BestServiceNamespace => "PILOT_SIDECAR_PICK_BEST_SERVICE_NAMESPACE",
            Self::EdsForHeadless => "PILOT_ENABLE_EDS_FOR_HEADLESS_SERVICES",
            Self::RuleTlsForExternal => "PREFER_DESTINATIONRULE_TLS_FOR_EXTERNAL_SERVICES",
            Self::Ambient => "PILOT_ENABLE_AMBIENT",
            Self::SendingHbone => "PILOT_ENABLE_SENDING_HBONE",
            Self::PreferSendingHbone => "PILOT_PREFER_SENDING_HBONE",
            Self::SidecarListeningHbone => "PILOT_ENABLE_SIDECAR_LISTENING_HBONE",
            Self::SidecarIngressTls => "ENABLE_TLS_ON_SIDECAR_INGRESS",
            Self::SelectorsOnGateways => "ENABLE_SELECTOR_BASED_K8S_GATEWAY_POLICY",
            Self::SeveralAuthorizers => "PILOT_ENABLE_MULTIPLE_CUSTOM_AUTHZ_PROVIDERS",
        }
    }

    /// The flag of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|flag| flag.name() == name)
    }

    /// Whether it is on where nobody sets it.
    pub fn default_is_on(self) -> bool {
        match self {
            Self::EnhancedMerge
            | Self::UnifiedSidecarScope
            | Self::BestServiceNamespace
            | Self::RuleTlsForExternal
            | Self::SendingHbone
            | Self::SidecarListeningHbone
            | Self::SelectorsOnGateways => true,
            Self::RuleInheritance
            | Self::EdsForHeadless
            | Self::Ambient
            | Self::PreferSendingHbone
            | Self::SidecarIngressTls
            | Self::SeveralAuthorizers => false,
        }
    }

    /// Whether a version has it. Where it does not, what the flag would turn on is off.
    pub fn is_known_to(self, version: &IstioVersion) -> bool {
        match self {
            Self::EnhancedMerge | Self::RuleTlsForExternal => version.at_least(1, 24),
            Self::RuleInheritance => version.at_least(1, 10) && !version.at_least(1, 20),
            Self::UnifiedSidecarScope
            | Self::BestServiceNamespace
            | Self::EdsForHeadless
            | Self::Ambient
            | Self::SendingHbone
            | Self::PreferSendingHbone
            | Self::SidecarListeningHbone
            | Self::SidecarIngressTls
            | Self::SelectorsOnGateways
            | Self::SeveralAuthorizers => true,
        }
    }

    /// Whether it decides about pairs of clients and services, and not about authorization alone.
    pub fn decides_pairs(self) -> bool {
        !matches!(self, Self::SelectorsOnGateways | Self::SeveralAuthorizers)
    }
}

/// The flags that are on.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Flags(BTreeSet<Flag>);

impl Flags {
    /// The flags of a version: as the user fixed them, else as the environment sets them, else as they are by default.
    pub fn new(version: &IstioVersion, fixed: &[(Flag, bool)], environment: &[(String, String)]) -> Self {
        let is_on = |flag: &Flag| {
            let fixed = fixed.iter().rev().find(|(one, _)| one == flag).map(|(_, on)| *on);
            let set = || environment.iter().rev().find(|(name, _)| name == flag.name());
            let on = fixed.or_else(|| boolean(&set()?.1)).unwrap_or(flag.default_is_on());
            on && flag.is_known_to(version)
        };
        Self(Flag::ALL.into_iter().filter(is_on).collect())
    }

    /// Whether a flag is on.
    pub fn is_on(&self, flag: Flag) -> bool {
        self.0.contains(&flag)
    }
}

/// The flags that an environment sets to no boolean, each with its value: istiod says so in its log, and the default
/// stands.
pub fn misspelt(environment: &[(String, String)]) -> impl Iterator<Item = (Flag, &str)> {
    let flags = environment.iter().filter_map(|(name, value)| Some((Flag::named(name)?, value.as_str())));
    flags.filter(|(_, value)| boolean(value).is_none())
}

/// The value of a variable, in the words that istiod takes; with any other the default stands.
fn boolean(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}
