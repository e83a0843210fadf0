//! Services that packages start by themselves: those of the server stay, those that nobody uses are switched off.
//!
//! takes: facts, which packages came by an earlier run · gives: items, notes · touches: nothing

use super::Group;
use super::facts::Facts;
use super::memory::Memory;
use super::plan::Plan;

pub(super) fn plan(plan: &mut Plan, facts: &Facts, memory: &Memory) {
    for (group, package, service) in [
        (Group::Supervisor, "supervisor", "supervisor.service"),
        (Group::Redis, "redis-server", "redis-server.service"),
    ] {
        if !facts.installed.contains_key(package) {
            plan.note(
                group,
                format!("{service} will be switched off again: its package starts it"),
            );
        }
    }
    if facts.supervisor_programs.is_empty() {
        plan.unit(
            Group::Supervisor,
            "supervisor.service",
            false,
            "each app has a supervisord of its own; root's has no program to run",
        );
    } else {
        plan.note(
            Group::Supervisor,
            format!(
                "supervisor.service stays on: it has programs in /etc/supervisor/conf.d ({})",
                facts.supervisor_programs[0].display()
            ),
        );
    }
    plan.unit(
        Group::Postgresql,
        "postgresql.service",
        true,
        "the apps' databases",
    );
    let is_new =
        !facts.installed.contains_key("redis-server") || memory.installed.contains("redis-server");
    if is_new && !facts.redis_has_data {
        plan.unit(
            Group::Redis,
            "redis-server.service",
            false,
            "each app has a Redis of its own; the shared one came with the package and has no data",
        );
    } else if facts.unit("redis-server.service").active {
        plan.note(
            Group::Redis,
            "redis-server.service stays on: it was here before, or has data; apps get a Redis of their own all the same",
        );
    }
}
