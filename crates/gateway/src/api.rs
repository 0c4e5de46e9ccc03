use std::{collections::HashMap, sync::Arc};

use dunlin_events::{RouteKey, limits};

use crate::{
    ApiConfig, ApiKeySource, ConfigError, Integration, RouteConfig, StageConfig,
    access::Parameter,
    access_log::AccessLog,
    authorize::{Authorization, Authorizer},
    integration,
    model::{BodyCheck, Models},
    registry::Registry,
    report::{StageWatch, Watch},
    selection::SelectionExpression,
    throttle::{StageBuckets, Throttle},
};

/// An API as the gateway runs it: checked, with its routes in reach.
#[derive(Debug)]
pub(crate) struct Api {
    pub(crate) id: Box<str>,
    pub(crate) stages: Vec<Arc<Stage>>,
    pub(crate) connect: Option<Arc<Route>>,
    pub(crate) disconnect: Option<Arc<Route>>,
    pub(crate) registry: Registry,
    pub(crate) api_key_source: ApiKeySource,
    /// Whether the API's own host name is off (H6).
    pub(crate) default_host_disabled: bool,
    selection: SelectionExpression,
    default: Option<Arc<Route>>,
    routes: HashMap<Box<str>, Arc<Route>>,
}

/// A stage as the gateway runs it.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) name: Box<str>,
    pub(crate) variables: Vec<(String, String)>,
    pub(crate) buckets: StageBuckets,
    pub(crate) watch: StageWatch,
}

/// A route as the gateway runs it.
#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) key: Box<str>,
    /// Its place in what stages keep of each route.
    pub(crate) index: usize,
    pub(crate) integration: Option<integration::Compiled>,
    pub(crate) two_way: bool,
    pub(crate) authorizer: Authorizer,
    /// What bodies are checked with before the integration is called.
    pub(crate) models: Option<BodyCheck>,
    pub(crate) api_key_required: bool,
    pub(crate) required_parameters: Vec<Parameter>,
}

impl Api {
    /// Checks a configuration.
    pub(crate) fn compile(config: ApiConfig) -> Result<Self, ConfigError> {
        let ApiConfig {
            api_id,
            route_selection_expression,
            stages,
            routes,
            models,
            models_unchecked,
            api_key_source,
            default_host_disabled,
        } = config;
        let selection = SelectionExpression::parse(&route_selection_expression).map_err(|problem| {
            let expression = route_selection_expression;
            ConfigError::SelectionExpression { api_id: api_id.clone(), expression, problem }
        })?;
        if routes.len() > limits::ROUTES_MAX {
            return Err(ConfigError::TooManyRoutes { api_id, routes: routes.len() });
        }
        let models = Models::compile(&api_id, models, models_unchecked)?;
        let mut keyed: HashMap<Box<str>, Arc<Route>> = HashMap::with_capacity(routes.len());
        for (index, route) in routes.into_iter().enumerate() {
            let route = Route::compile(&api_id, index, route, &models)?;
            if let Some(twin) = keyed.insert(route.key.clone(), Arc::new(route)) {
                return Err(route_error(&api_id, &twin.key, "is there twice; keep one of them"));
            }
        }
        let keys = keyed_by_index(&keyed);
        Ok(Api {
            stages: compile_stages(&api_id, stages, &keys)?,
            id: api_id.into(),
            registry: Registry::default(),
            api_key_source,
            default_host_disabled,
            selection,
            connect: keyed.remove(RouteKey::CONNECT),
            disconnect: keyed.remove(RouteKey::DISCONNECT),
            default: keyed.remove(RouteKey::DEFAULT),
            routes: keyed,
        })
    }

    /// The route of a message: its own, else `$default`, else none (R4 to R6, R8). `$connect` and `$disconnect` are out
    /// of a message's reach (R5).
    pub(crate) fn route(&self, body: &str) -> Option<&Arc<Route>> {
        let own = self.selection.evaluate(body).and_then(|key| self.routes.get(&*key));
        own.or(self.default.as_ref())
    }

    /// All of its routes, in the order of their keys.
    pub(crate) fn all_routes(&self) -> Vec<&Route> {
        let own = [&self.connect, &self.disconnect, &self.default].into_iter().flatten();
        let mut routes: Vec<&Route> = own.chain(self.routes.values()).map(|route| &**route).collect();
        routes.sort_by(|one, other| one.key.cmp(&other.key));
        routes
    }

    /// Whether a route may call somebody with TLS.
    pub(crate) fn may_need_tls(&self) -> bool {
        let own = [&self.connect, &self.disconnect, &self.default].into_iter().flatten();
        own.chain(self.routes.values())
            .any(|route| route.integration.as_ref().is_some_and(integration::Compiled::may_need_tls))
    }

    /// The stage of this name.
    pub(crate) fn stage(&self, name: &str) -> Option<&Arc<Stage>> {
        self.stages.iter().find(|stage| &*stage.name == name)
    }
}

impl Route {
    fn compile(
        api_id: &str,
        index: usize,
        config: RouteConfig,
        models: &Models,
    ) -> Result<Self, ConfigError> {
        let RouteConfig {
            key,
            integration,
            content,
            two_way,
            authorization,
            api_key_required,
            request_models,
            required_parameters,
        } = config;
        let known = [RouteKey::CONNECT, RouteKey::DISCONNECT, RouteKey::DEFAULT].contains(&key.as_str());
        if key.is_empty() {
            return Err(route_error(api_id, &key, "has an empty key"));
        }
        if key.starts_with('$') && !known {
            return Err(route_error(
                api_id,
                &key,
                "starts with $, which only $connect, $disconnect and $default may",
            ));
        }
        let compile = |own: Integration| {
            let must_answer = match key.as_str() {
                // H11: an endpoint's answer counts only where a response maps it; others need one of 200.
                RouteKey::CONNECT => !matches!(own, Integration::Http { .. }),
                RouteKey::DISCONNECT => false,
                _ => two_way,
            };
            integration::Compiled::new(own, content, must_answer)
        };
        let integration = integration.map(compile).transpose();
        let integration = integration.map_err(|problem| route_error(api_id, &key, problem))?;
        if authorization != Authorization::None && key != RouteKey::CONNECT {
            return Err(route_error(api_id, &key, "has an authorizer, which only $connect can have"));
        }
        let authorizer =
            Authorizer::compile(authorization).map_err(|problem| route_error(api_id, &key, problem))?;
        let models = request_models.map(|config| models.check(config)).transpose();
        let models = models.map_err(|problem| route_error(api_id, &key, problem))?;
        if key != RouteKey::CONNECT && (api_key_required || !required_parameters.is_empty()) {
            let problem = "asks for an API key or for parameters, which only $connect can";
            return Err(route_error(api_id, &key, problem));
        }
        let required = required_parameters.iter().map(|text| Parameter::parse(text));
        let required_parameters = required.collect::<Result<_, _>>();
        let required_parameters =
            required_parameters.map_err(|problem| route_error(api_id, &key, problem))?;
        Ok(Route {
            key: key.into(),
            index,
            integration,
            two_way,
            authorizer,
            models,
            api_key_required,
            required_parameters,
        })
    }
}

/// The keys of all routes, in their order.
fn keyed_by_index(routes: &HashMap<Box<str>, Arc<Route>>) -> Vec<&str> {
    let mut routes: Vec<&Arc<Route>> = routes.values().collect();
    routes.sort_by_key(|route| route.index);
    routes.into_iter().map(|route| &*route.key).collect()
}

fn route_error(api_id: &str, route_key: &str, problem: impl Into<String>) -> ConfigError {
    ConfigError::Route { api_id: api_id.to_owned(), route_key: route_key.to_owned(), problem: problem.into() }
}

fn compile_stages(
    api_id: &str,
    stages: Vec<StageConfig>,
    route_keys: &[&str],
) -> Result<Vec<Arc<Stage>>, ConfigError> {
    let mut compiled: Vec<Arc<Stage>> = Vec::with_capacity(stages.len());
    for StageConfig { name, variables, throttles, access_log, observation } in stages {
        let access_log = access_log.map(AccessLog::new).transpose();
        let problem = if compiled.iter().any(|other| *other.name == *name) {
            Some("is there twice; keep one of them")
        } else if !throttles.default.iter().chain(throttles.routes.values()).all(Throttle::is_valid) {
            Some("has a throttle whose rate is no number from 0 up")
        } else {
            stage_name_problem(&name).or_else(|| access_log.as_ref().err().copied())
        };
        if let Some(problem) = problem {
            return Err(ConfigError::Stage { api_id: api_id.to_owned(), stage: name, problem });
        }
        let buckets = StageBuckets::new(&throttles, route_keys.iter().copied().chain([RouteKey::CONNECT]));
        let settings = |key: &&str| observation.routes.get(*key).copied().unwrap_or(observation.default);
        let watch = |key| Watch { settings: settings(key), ..Watch::default() };
        let watch = StageWatch {
            routes: route_keys.iter().map(watch).collect(),
            unrouted: Watch { settings: observation.default, ..Watch::default() },
            access_log: access_log.ok().flatten(),
        };
        compiled.push(Arc::new(Stage { name: name.into(), variables, buckets, watch }));
    }
    Ok(compiled)
}

fn stage_name_problem(name: &str) -> Option<&'static str> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    match name {
        "$default" => Some("is not possible for a WebSocket API, whose URL must name the stage"),
        "" => Some("has an empty name"),
        "_dunlin" => Some("has the name under which the local stack is controlled; choose another"),
        "2015-03-31" => Some("has the name under which functions are invoked; choose another"),
        _ if name.len() > limits::STAGE_NAME_CHARS_MAX => Some("has a name of more than 128 characters"),
        _ if !name.bytes().all(allowed) => {
            Some("has a name with other characters than letters, digits, - and _")
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::LambdaFunction;

    fn config(expression: &str, keys: &[&str]) -> ApiConfig {
        ApiConfig {
            stages: vec![StageConfig::new("dev")],
            routes: keys.iter().map(|key| RouteConfig::new(*key)).collect(),
            ..ApiConfig::new("a1", expression)
        }
    }

    #[track_caller]
    fn check_route(keys: &[&str], body: &str, expected: Option<&str>) {
        let api = Api::compile(config("$request.body.action", keys)).unwrap();
        assert_eq!(api.route(body).map(|route| &*route.key), expected, "{body}");
    }

    #[test]
    fn messages_find_their_route() {
        let all = ["$connect", "$disconnect", "$default", "join", "[a, b]"];
        check_route(&all, r#"{"action":"join"}"#, Some("join"));
        check_route(&all, r#"{"action":"JOIN"}"#, Some("$default"));
        check_route(&all, r#"{"action":["a","b"]}"#, Some("[a, b]"));
        check_route(&all, r#"{"action":"leave"}"#, Some("$default"));
        check_route(&all, r#"{"action":"$default"}"#, Some("$default"));
        check_route(&all, "not json", Some("$default"));
        // R5: out of reach.
        check_route(&all, r#"{"action":"$connect"}"#, Some("$default"));
        check_route(&["$connect", "join"], r#"{"action":"$connect"}"#, None);
        check_route(&["join"], r#"{"action":"leave"}"#, None);
        check_route(&["join"], "not json", None);
        check_route(&[], "{}", None);
    }

    #[track_caller]
    fn check_error(config: ApiConfig, expected: &str) {
        assert_eq!(Api::compile(config).unwrap_err().to_string(), expected);
    }

    #[test]
    fn mistakes_are_named() {
        check_error(
            config("$request.header.x", &[]),
            "API a1: route selection expression \"$request.header.x\": \"$request.header.x\" is not known; \
             a route is selected by $request.body.…, and a literal dollar sign is \\$",
        );
        check_error(
            config("x", &["join", "join"]),
            "API a1: route \"join\" is there twice; keep one of them",
        );
        check_error(
            config("x", &["$join"]),
            "API a1: route \"$join\" starts with $, which only $connect, $disconnect and $default may",
        );
        check_error(config("x", &[""]), "API a1: route \"\" has an empty key");

        let mut slow = config("x", &["join"]);
        slow.routes[0].integration = Some(Integration::LambdaProxy(LambdaFunction {
            timeout: Duration::from_secs(30),
            ..LambdaFunction::new("f")
        }));
        check_error(
            slow,
            "API a1: route \"join\" has an integration timeout of 30000 ms; 50 to 29000 ms are allowed",
        );

        for (name, expected) in [
            ("$default", "is not possible for a WebSocket API, whose URL must name the stage"),
            ("_dunlin", "has the name under which the local stack is controlled; choose another"),
            ("2015-03-31", "has the name under which functions are invoked; choose another"),
            ("a b", "has a name with other characters than letters, digits, - and _"),
            ("dev", "is there twice; keep one of them"),
        ] {
            let mut stages = config("x", &[]);
            stages.stages.push(StageConfig::new(name));
            check_error(stages, &format!("API a1: stage \"{name}\" {expected}"));
        }

        let many: Vec<String> = (0..=limits::ROUTES_MAX).map(|n| format!("r{n}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        check_error(config("x", &many), "API a1: 301 routes are more than the 300 that an API may have");
    }
}
