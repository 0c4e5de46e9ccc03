//! API keys, usage plans and custom domains of the template, as the gateway takes them.

use dunlin_gateway::{
    ApiKeyConfig, BasePathMapping, DomainConfig, GatewayConfig, Quota, QuotaPeriod, UsagePlanConfig,
};
use dunlin_stack::{ApiMapping, Stack};

use super::{api_config::throttle, credentials::Keyring};

/// Tells the gateway who may come, and by which names.
pub(super) fn configure(config: &mut GatewayConfig, stack: &Stack, keyring: &Keyring) {
    config.api_keys = stack
        .api_keys
        .iter()
        .zip(&keyring.api_keys)
        .map(|(key, value)| ApiKeyConfig {
            id: key.key_id.clone(),
            value: value.clone(),
            enabled: key.enabled,
        })
        .collect();
    config.usage_plans = stack.usage_plans.iter().map(usage_plan).collect();
    config.domains = stack.domains.iter().map(domain).collect();
}

fn usage_plan(plan: &dunlin_stack::UsagePlan) -> UsagePlanConfig {
    UsagePlanConfig {
        id: plan.logical_id.clone(),
        stages: plan.stages.clone(),
        keys: plan.keys.clone(),
        throttle: plan.throttle.map(throttle),
        quota: plan.quota.map(|dunlin_stack::Quota { limit, offset, period }| Quota {
            limit,
            offset,
            period: match period {
                dunlin_stack::QuotaPeriod::Day => QuotaPeriod::Day,
                dunlin_stack::QuotaPeriod::Week => QuotaPeriod::Week,
                dunlin_stack::QuotaPeriod::Month => QuotaPeriod::Month,
            },
        }),
    }
}

fn domain(domain: &dunlin_stack::Domain) -> DomainConfig {
    let mapping = |ApiMapping { base_path, api_id, stage }: &ApiMapping| BasePathMapping {
        base_path: base_path.clone(),
        api_id: api_id.clone(),
        stage: stage.clone(),
    };
    DomainConfig { name: domain.name.clone(), mappings: domain.mappings.iter().map(mapping).collect() }
}
