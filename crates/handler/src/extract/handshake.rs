//! What only the handshake brings (fact H19), and the stage's variables.

use dunlin_events::{ListMap, TextMap};
use serde::de::DeserializeOwned;

use crate::{FromRequest, HandlerError, Request, texts};

/// The header that a client offers subprotocols in.
const SUBPROTOCOL_HEADER: &str = "Sec-WebSocket-Protocol";

/// Headers of the handshake: on `$connect` and for an authorizer; a fixed few on `$disconnect`, none with a message
/// (fact H19).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Headers {
    single: TextMap<'static>,
    multi: ListMap<'static>,
}

impl Headers {
    /// The value of a header, its name compared without case; the last one if the client sent several.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.single.get_ignore_case(name).map(|value| &**value)
    }

    /// All values of a header (fact H21).
    pub fn get_all(&self, name: &str) -> Vec<&str> {
        all(self.multi.get_ignore_case(name), self.get(name))
    }

    /// Names, in the client's case, and values, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.single.iter().map(|(name, value)| (name, &**value))
    }
}

impl<S> FromRequest<S> for Headers {
    fn from_request(request: &Request<'_>, _: &S) -> Result<Self, HandlerError> {
        let event = request.event()?;
        Ok(Headers {
            single: owned_map(event.headers.as_ref()),
            multi: owned_list_map(event.multi_value_headers.as_ref()),
        })
    }
}

/// The query of the handshake, decoded: on `$connect` and for an authorizer, empty elsewhere (fact H19).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct QueryMap {
    single: TextMap<'static>,
    multi: ListMap<'static>,
}

impl QueryMap {
    /// The value of a parameter; the last one if the client sent several.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.single.get(name).map(|value| &**value)
    }

    /// All values of a parameter (fact H21).
    pub fn get_all(&self, name: &str) -> Vec<&str> {
        all(self.multi.get(name), self.get(name))
    }

    /// Names and values, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.single.iter().map(|(name, value)| (name, &**value))
    }
}

impl<S> FromRequest<S> for QueryMap {
    fn from_request(request: &Request<'_>, _: &S) -> Result<Self, HandlerError> {
        let event = request.event()?;
        Ok(QueryMap {
            single: owned_map(event.query_string_parameters.as_ref()),
            multi: owned_list_map(event.multi_value_query_string_parameters.as_ref()),
        })
    }
}

/// The query of the handshake as a type. Its texts are read as what the fields want: numbers, `true` and `false`, names of
/// variants, and a list where a parameter stands several times.
///
/// ```
/// use dunlin_handler::{Query, Router, testing::{TestEvent, send}};
/// use serde::Deserialize;
///
/// #[derive(Deserialize)]
/// struct Wanted { device: Vec<String>, since: Option<u64> }
///
/// async fn connect(Query(wanted): Query<Wanted>) {
///     assert_eq!((wanted.device, wanted.since), (vec!["pump-7".to_owned(), "pump-8".to_owned()], Some(17)));
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let mut router = Router::new().connect(connect);
/// let event = TestEvent::connect().query("device", "pump-7").query("device", "pump-8").query("since", "17");
/// assert_eq!(send(&mut router, event).await.status(), 200);
///
/// let event = TestEvent::connect().query("device", "pump-7").query("since", "noon");
/// let refusal = send(&mut router, event).await;
/// assert_eq!((refusal.status(), refusal.error_code()), (400, Some("invalid_query")));
/// assert_eq!(refusal.error_message(), Some("the query does not fit at `since`: an integer of 0 or more is expected"));
/// # }
/// ```
///
/// # Errors
/// `invalid_query`, naming the parameter that does not fit.
#[derive(Clone, Copy, Debug, Default)]
pub struct Query<T>(pub T);

impl<S, T: DeserializeOwned> FromRequest<S> for Query<T> {
    fn from_request(request: &Request<'_>, _: &S) -> Result<Self, HandlerError> {
        let event = request.event()?;
        let single = event.query_string_parameters.as_ref();
        let multi = event.multi_value_query_string_parameters.as_ref();
        let values = |name: &str, last: &str| {
            let all = multi.and_then(|multi| multi.get(name));
            all.map_or_else(
                || vec![last.to_owned()],
                |all| all.iter().map(|value| value.clone().into_string()).collect(),
            )
        };
        let parameters = single.into_iter().flat_map(|single| single.iter());
        let parameters = parameters.map(|(name, value)| (name.to_owned(), values(name, value)));
        texts::parse("the query", parameters)
            .map(Query)
            .map_err(|reason| HandlerError::new("invalid_query", reason))
    }
}

/// The subprotocols that the client offered on `$connect`, in its order (fact H17).
///
/// ```
/// use dunlin_handler::{HandlerError, Reply, Router, Subprotocols, testing::{TestEvent, send}};
///
/// async fn connect(offered: Subprotocols) -> Result<Reply, HandlerError> {
///     let chosen = offered.choose(&["telemetry.v2", "telemetry.v1"]);
///     let chosen = chosen.ok_or_else(|| HandlerError::new("subprotocol", "offer telemetry.v2 or telemetry.v1"))?;
///     Ok(Reply::empty().subprotocol(chosen))
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let mut router = Router::new().connect(connect);
/// let offer = TestEvent::connect().offer("telemetry.v1").offer("telemetry.v2");
/// assert_eq!(send(&mut router, offer).await.subprotocol(), Some("telemetry.v2"));
/// assert_eq!(send(&mut router, TestEvent::connect()).await.status(), 400);
/// # }
/// ```
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Subprotocols(Vec<String>);

impl Subprotocols {
    /// The first of `supported`, which come best first, that the client offered too.
    pub fn choose<'s>(&self, supported: &[&'s str]) -> Option<&'s str> {
        supported.iter().copied().find(|name| self.iter().any(|offered| offered == *name))
    }

    /// What the client offered.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

impl<S> FromRequest<S> for Subprotocols {
    fn from_request(request: &Request<'_>, state: &S) -> Result<Self, HandlerError> {
        let headers = Headers::from_request(request, state)?;
        let lists = headers.get_all(SUBPROTOCOL_HEADER);
        let names = lists.iter().flat_map(|list| list.split(',')).map(str::trim);
        Ok(Subprotocols(names.filter(|name| !name.is_empty()).map(str::to_owned).collect()))
    }
}

/// The variables of the stage; empty if it has none.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct StageVariables(TextMap<'static>);

impl StageVariables {
    /// The value of a variable.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|value| &**value)
    }

    /// Names and values, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name, &**value))
    }
}

impl<S> FromRequest<S> for StageVariables {
    fn from_request(request: &Request<'_>, _: &S) -> Result<Self, HandlerError> {
        Ok(StageVariables(owned_map(request.event()?.stage_variables.as_ref())))
    }
}

fn all<'m>(values: Option<&'m Vec<dunlin_events::Text<'static>>>, last: Option<&'m str>) -> Vec<&'m str> {
    values.map_or_else(|| last.into_iter().collect(), |values| values.iter().map(|value| &**value).collect())
}

fn owned_map(map: Option<&TextMap<'_>>) -> TextMap<'static> {
    let entries = map.into_iter().flat_map(|map| map.iter());
    entries.map(|(name, value)| (name.to_owned(), value.clone().into_owned())).collect()
}

fn owned_list_map(map: Option<&ListMap<'_>>) -> ListMap<'static> {
    let owned = |values: &Vec<dunlin_events::Text<'_>>| {
        values.iter().map(|value| value.clone().into_owned()).collect::<Vec<_>>()
    };
    let entries = map.into_iter().flat_map(|map| map.iter());
    entries.map(|(name, values)| (name.to_owned(), owned(values))).collect()
}
