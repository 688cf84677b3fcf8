//! meshscope: what Istio policy does to the workloads of a cluster, and the proved cause of a failing request.

pub mod answer;
pub mod app;
pub mod bundle;
pub mod cli;
pub mod correlate;
pub mod counters;
pub mod demo;
pub mod diagnose;
pub mod logs;
pub mod model;
pub mod remedy;
pub mod report;
pub mod resolve;
pub mod runtime;
pub mod settings;
pub mod text;
pub mod ui;
