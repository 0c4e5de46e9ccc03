use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
    time::Duration,
};

use crate::{
    Checked, Endpoint, Unmet, fails,
    script::Script,
    wire::{Address, Answered, Call, Client, Handshake, HttpAnswer, Keys, Roots, connect},
};

/// How long a step may take, unless the site says otherwise: longer than the cold start of a function on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a local gateway asks for before it tells or does what the service does not.
const CONTROL_TOKEN: &str = "x-dunlin-control-token";

/// The APIs of the suite's template.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Api {
    /// The probe behind `$connect`, `$disconnect`, `$default` and most of the routes.
    Main,
    /// Nothing behind `$connect` and `$disconnect`, no `$default`.
    Bare,
    /// A REQUEST authorizer.
    Guarded,
    /// IAM authorization.
    Signed,
    /// A throttle of nothing.
    Closed,
    /// A MOCK integration behind `$connect`.
    Mapped,
    /// A function behind `$connect` that the gateway may not invoke.
    Unpermitted,
    /// A selection expression of two variables.
    Composed,
    /// One of a nested path.
    Nested,
    /// One without a variable.
    Literal,
    /// An HTTP endpoint behind `$connect`.
    Proxied,
    /// An API key.
    Keyed,
    /// An API key that the authorizer names.
    Vouched,
    /// A parameter that must be there.
    Required,
    /// No host of its own.
    Hidden,
    /// A function behind `$connect` that does not start.
    Unstartable,
}

impl Api {
    /// All of them.
    pub const ALL: [Api; 16] = [
        Api::Main,
        Api::Bare,
        Api::Guarded,
        Api::Signed,
        Api::Closed,
        Api::Mapped,
        Api::Unpermitted,
        Api::Composed,
        Api::Nested,
        Api::Literal,
        Api::Proxied,
        Api::Keyed,
        Api::Vouched,
        Api::Required,
        Api::Hidden,
        Api::Unstartable,
    ];

    /// Its logical id in the template.
    pub fn logical_id(self) -> &'static str {
        match self {
            Api::Main => "Main",
            Api::Bare => "Bare",
            Api::Guarded => "Guarded",
            Api::Signed => "Signed",
            Api::Closed => "Closed",
            Api::Mapped => "Mapped",
            Api::Unpermitted => "Unpermitted",
            Api::Composed => "Composed",
            Api::Nested => "Nested",
            Api::Literal => "Literal",
            Api::Proxied => "Proxied",
            Api::Keyed => "Keyed",
            Api::Vouched => "Vouched",
            Api::Required => "Required",
            Api::Hidden => "Hidden",
            Api::Unstartable => "Unstartable",
        }
    }
}

/// The gateway that is looked at.
pub struct Site {
    apis: BTreeMap<Api, Address>,
    management: Option<Address>,
    secure: Option<Address>,
    keys: Option<Keys>,
    control: Option<Control>,
    endpoint: Option<Endpoint>,
    domain: Option<Domain>,
    api_key: Option<String>,
    own_hosts: BTreeMap<Api, String>,
    access_log: Option<PathBuf>,
    /// Whether cases may take minutes and hours.
    pub slow: bool,
    /// Who is trusted over TLS.
    pub roots: Roots,
    /// How long a single step may take.
    pub patience: Duration,
}

/// A custom domain, under whose base path [`Api::Main`] is.
#[derive(Clone, Debug)]
pub struct Domain {
    /// Where it leads.
    pub address: Address,
    /// What the `Host` header says.
    pub host: String,
    /// Starts with a slash.
    pub base_path: String,
}

/// What a local gateway has besides: a clock that can be moved.
#[derive(Clone)]
pub struct Control {
    /// Where it is.
    pub address: Address,
    /// What it asks for.
    pub token: String,
}

impl fmt::Debug for Control {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Control").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Site {
    /// One without an address yet.
    pub fn new(roots: Roots) -> Self {
        Site {
            apis: BTreeMap::new(),
            management: None,
            secure: None,
            keys: None,
            control: None,
            endpoint: None,
            domain: None,
            api_key: None,
            own_hosts: BTreeMap::new(),
            access_log: None,
            slow: false,
            roots,
            patience: PATIENCE,
        }
    }

    /// Names the address of an API.
    pub fn add(&mut self, api: Api, address: Address) {
        self.apis.insert(api, address);
    }

    /// Names what management calls go to, if that is not where the clients of [`Api::Main`] connect.
    pub fn set_management(&mut self, address: Address) {
        self.management = Some(address);
    }

    /// Names the address of [`Api::Main`] with TLS, if the other one has none.
    pub fn set_secure(&mut self, address: Address) {
        self.secure = Some(address);
    }

    /// Gives it what management calls are signed with.
    pub fn set_keys(&mut self, keys: Keys) {
        self.keys = Some(keys);
    }

    /// Gives it what a local gateway has besides.
    pub fn set_control(&mut self, control: Control) {
        self.control = Some(control);
    }

    /// Gives it the endpoint that HTTP integrations of the template lead to.
    pub fn set_endpoint(&mut self, endpoint: Endpoint) {
        self.endpoint = Some(endpoint);
    }

    /// Names its custom domain.
    pub fn set_domain(&mut self, domain: Domain) {
        self.domain = Some(domain);
    }

    /// Gives it the API key of [`Api::Keyed`].
    pub fn set_api_key(&mut self, key: String) {
        self.api_key = Some(key);
    }

    /// Names the host that an API has of its own, if it is reached under another one.
    pub fn set_own_host(&mut self, api: Api, host: String) {
        self.own_hosts.insert(api, host);
    }

    /// Names the file that its stages log accesses to.
    pub fn set_access_log(&mut self, file: PathBuf) {
        self.access_log = Some(file);
    }

    /// Every address that it has.
    pub fn addresses(&self) -> impl Iterator<Item = &Address> {
        let domain = self.domain.as_ref().map(|domain| &domain.address);
        self.apis.values().chain(&self.management).chain(&self.secure).chain(domain)
    }

    /// The same gateway under other addresses.
    #[must_use]
    pub fn behind(&self, place: impl Fn(&Address) -> Address) -> Self {
        Site {
            apis: self.apis.iter().map(|(api, address)| (*api, place(address))).collect(),
            management: self.management.as_ref().map(&place),
            secure: self.secure.as_ref().map(&place),
            keys: self.keys.clone(),
            control: self.control.clone().map(|own| Control { address: place(&own.address), ..own }),
            endpoint: self.endpoint.clone(),
            domain: self.domain.clone().map(|own| Domain { address: place(&own.address), ..own }),
            api_key: self.api_key.clone(),
            own_hosts: self.own_hosts.clone(),
            access_log: self.access_log.clone(),
            slow: self.slow,
            roots: self.roots.clone(),
            patience: self.patience,
        }
    }

    /// Whether anybody is there at all.
    ///
    /// # Errors
    /// One sentence that names the address.
    pub async fn reach(&self) -> Result<(), String> {
        let address = self.apis.get(&Api::Main).ok_or("no address of the API Main is known")?;
        match connect(address, &self.roots, self.patience).await {
            Err(Unmet::Failed { expected, got }) => Err(format!("{expected} is expected: {got}")),
            _ => Ok(()),
        }
    }

    /// Where clients of an API connect.
    ///
    /// # Errors
    /// The site has no such API; the case is skipped.
    pub fn address(&self, api: Api) -> Checked<&Address> {
        let name = api.logical_id();
        let skipped = || Unmet::Skipped(format!("the target has no API {name} of the template"));
        self.apis.get(&api).ok_or_else(skipped)
    }

    /// Where clients of the main API connect with TLS.
    pub(crate) fn secure(&self) -> Checked<&Address> {
        let main = self.address(Api::Main)?;
        let skipped = || Unmet::Skipped("the target has no address with TLS".to_owned());
        self.secure.as_ref().or(Some(main).filter(|main| main.is_tls)).ok_or_else(skipped)
    }

    /// Where management calls about an API's connections go.
    pub(crate) fn management(&self, api: Api) -> Checked<&Address> {
        match &self.management {
            Some(address) if api == Api::Main => Ok(address),
            _ => self.address(api),
        }
    }

    pub(crate) fn keys(&self) -> Checked<&Keys> {
        let skipped = || Unmet::Skipped("there are no credentials to sign with".to_owned());
        self.keys.as_ref().ok_or_else(skipped)
    }

    pub(crate) fn endpoint(&self) -> Checked<&Endpoint> {
        let skipped = || Unmet::Skipped("no HTTP integration of the target leads to the suite".to_owned());
        self.endpoint.as_ref().ok_or_else(skipped)
    }

    pub(crate) fn domain(&self) -> Checked<&Domain> {
        self.domain.as_ref().ok_or_else(|| Unmet::Skipped("no custom domain is named".to_owned()))
    }

    pub(crate) fn api_key(&self) -> Checked<&str> {
        let skipped = || Unmet::Skipped("the key of the API Keyed is not given".to_owned());
        self.api_key.as_deref().ok_or_else(skipped)
    }

    pub(crate) fn access_log(&self) -> Checked<&Path> {
        let skipped = || Unmet::Skipped("where the target logs accesses cannot be read from here".to_owned());
        self.access_log.as_deref().ok_or_else(skipped)
    }

    /// The host that an API has of its own.
    pub(crate) fn own_host(&self, api: Api) -> Checked<String> {
        Ok(self.own_hosts.get(&api).cloned().unwrap_or(self.address(api)?.authority()))
    }

    /// The metrics of a local gateway, as a page for Prometheus.
    pub(crate) async fn metrics(&self) -> Checked<String> {
        let skipped =
            || Unmet::Skipped("the metrics of the target are the account's, in CloudWatch".to_owned());
        let control = self.control.as_ref().ok_or_else(skipped)?;
        let call = Call::new("GET", &control.address, "").at("/_dunlin/metrics");
        let answer = call.header(CONTROL_TOKEN, &control.token).send(self).await?;
        crate::equal("status of the metrics", answer.status, 200)?;
        Ok(answer.body)
    }

    /// A plain handshake with an API.
    pub(crate) fn handshake(&self, api: Api) -> Checked<Handshake> {
        Ok(Handshake::to(self.address(api)?))
    }

    /// A connection to an API that lets everybody in.
    pub(crate) async fn connect(&self, api: Api) -> Checked<Client> {
        self.handshake(api)?.send(self).await?.opened()
    }

    /// A handshake with the main API whose `$connect` function does this.
    pub(crate) async fn connect_telling(&self, script: &Script) -> Checked<Answered> {
        self.handshake(Api::Main)?.query("probe", &script.to_string()).send(self).await
    }

    /// A signed management call about a connection of the main API.
    pub(crate) async fn manage(
        &self,
        method: &str,
        id: &str,
        body: impl Into<bytes::Bytes>,
    ) -> Checked<HttpAnswer> {
        let path = format!("/@connections/{}", encoded(id));
        Call::new(method, self.management(Api::Main)?, &path).body(body).signed(self.keys()?).send(self).await
    }

    /// Lets time pass: on the gateway's own clock, or really.
    pub(crate) async fn wait(&self, duration: Duration) -> Checked {
        if let Some(control) = &self.control {
            return control.advance(self, duration).await;
        }
        if !self.slow {
            return Err(Unmet::Skipped("it takes longer than is allowed without --slow".to_owned()));
        }
        tokio::time::sleep(duration).await;
        Ok(())
    }
}

impl Control {
    async fn advance(&self, site: &Site, duration: Duration) -> Checked {
        let body = format!("{{\"advance_ms\":{}}}", duration.as_millis());
        let call = Call::new("POST", &self.address, "").at("/_dunlin/clock").body(body);
        let answer = call.header(CONTROL_TOKEN, &self.token).send(site).await?;
        match answer.status {
            200..=299 => Ok(()),
            404 => Err(Unmet::Skipped("the gateway has no clock that can be moved".to_owned())),
            status => fails("a clock that can be moved", format!("{status} {}", answer.body)),
        }
    }
}

/// A connection id as a path has it.
pub(crate) fn encoded(id: &str) -> String {
    id.replace('=', "%3D")
}
