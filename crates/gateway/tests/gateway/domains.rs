//! H4 to H6: custom domains and base paths.

use dunlin_gateway::{ApiConfig, BasePathMapping, DomainConfig, Gateway, GatewayConfig};

use crate::{
    harness::{Script, Stack, api, config, read_head, route, status_of, two_way, upgrade_lines},
    management::Caller,
};
use tokio::io::AsyncWriteExt;

fn with_domain() -> GatewayConfig {
    let mapping = |base_path: &str, api_id: &str, stage: &str| BasePathMapping {
        base_path: base_path.to_owned(),
        api_id: api_id.to_owned(),
        stage: stage.to_owned(),
    };
    let mut config = config();
    config.domains = vec![DomainConfig {
        name: "ws.example.com".to_owned(),
        mappings: vec![mapping("chat", "a1b2c3d4e5", "prod"), mapping("", "f6g7h8i9j0", "dev")],
    }];
    config
}

fn two_apis(default_host_disabled: bool) -> Vec<ApiConfig> {
    let routes = || vec![route("$connect"), two_way("$default")];
    vec![
        ApiConfig { default_host_disabled, ..api("a1b2c3d4e5", routes()) },
        api("f6g7h8i9j0", vec![route("$connect")]),
    ]
}

/// H4, H5: the base path stands in the place of the stage; events show the name and the real stage.
#[tokio::test]
async fn a_domain_leads_to_stages() {
    let stack = Stack::start_with(with_domain(), two_apis(false)).await;
    let name = format!("ws.example.com:{}", stack.address.port());
    for (target, expected) in
        [("/chat", "a1b2c3d4e5 prod"), ("/chat/", "a1b2c3d4e5 prod"), ("/", "f6g7h8i9j0 dev")]
    {
        assert_eq!(stack.handshake(target, &upgrade_lines(&name)).await, 101, "{target}");
        let event = stack.script.json("connect").await;
        let context = &event["requestContext"];
        let found = format!("{} {}", context["apiId"].as_str().unwrap(), context["stage"].as_str().unwrap());
        assert_eq!(found, expected, "{target}");
        assert_eq!(context["domainName"], name);
    }
    for target in ["/prod", "/dev", "/chat/prod", "/other"] {
        assert_eq!(stack.handshake(target, &upgrade_lines(&name)).await, 403, "{target}");
    }
    assert_eq!(stack.handshake("/chat", &upgrade_lines("other.example.com")).await, 403);
    assert_eq!(stack.handshake("/chat", &upgrade_lines(&stack.host())).await, 403);
}

/// C1, H5: callbacks go through the base path, and the popular recipe with the stage does not.
#[tokio::test]
async fn callbacks_go_through_the_base_path() {
    let stack = Stack::start_with(with_domain(), two_apis(false)).await;
    let mut stream = stack.tcp().await;
    let handshake = format!("GET /chat HTTP/1.1\r\n{}\r\n", upgrade_lines("ws.example.com"));
    stream.write_all(handshake.as_bytes()).await.unwrap();
    assert_eq!(status_of(&read_head(&mut stream).await), 101);
    let event = stack.script.json("connect").await;
    let id = event["requestContext"]["connectionId"].as_str().unwrap().replace('=', "%3D");

    let mut caller = Caller::new(&stack).await.under("ws.example.com");
    let (status, ..) = caller.call("POST", &format!("/chat/@connections/{id}"), "hi").await;
    assert_eq!(status, 200);
    let (status, ..) = caller.call("GET", &format!("/chat/%40connections/{id}"), "").await;
    assert_eq!(status, 200);
    // The root leads to the other API, which has no such path, and to which the connection does not belong (C14).
    let (status, headers, body) = caller.call("POST", &format!("/prod/@connections/{id}"), "hi").await;
    assert_eq!(status, 404);
    assert_eq!(headers["x-amzn-errortype"], "NotFoundException");
    let text = format!("No method found matching route prod/@connections/{id} for http method POST.");
    assert_eq!(body, format!(r#"{{"message":"{text}"}}"#));
    let (status, ..) = caller.call("POST", &format!("/@connections/{id}"), "hi").await;
    assert_eq!(status, 403);
    // The API's own address serves the same connection.
    let mut caller = Caller::new(&stack).await;
    let (status, ..) = caller.call("POST", &format!("/prod/@connections/{id}"), "hi").await;
    assert_eq!(status, 200);
}

/// H6.
#[tokio::test]
async fn the_apis_own_name_can_be_off() {
    for (disabled, expected) in [(false, 101), (true, 403)] {
        let stack = Stack::start_with(with_domain(), two_apis(disabled)).await;
        let lines = upgrade_lines("a1b2c3d4e5.execute-api.eu-west-1.amazonaws.com");
        assert_eq!(stack.handshake("/dev", &lines).await, expected, "{disabled}");
        assert_eq!(stack.handshake("/chat", &upgrade_lines("ws.example.com")).await, 101);
        // The developer's own way in, which the service does not have.
        assert_eq!(stack.handshake("/dev", &upgrade_lines(&stack.host())).await, 101);
    }
}

#[tokio::test]
async fn health_checks_are_answered() {
    let stack = Stack::start_with(with_domain(), two_apis(false)).await;
    for host in ["ws.example.com".to_owned(), stack.host()] {
        for path in ["/ping", "/sping"] {
            let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
            let answer = stack.raw(request.as_bytes()).await;
            assert_eq!(status_of(&answer), 200);
            assert!(answer.ends_with("\r\n\r\nhealthy"), "{answer}");
        }
    }
}

#[test]
fn domains_that_lead_nowhere_are_refused() {
    let error =
        Gateway::new(with_domain(), vec![api("a1b2c3d4e5", Vec::new())], Script::default()).err().unwrap();
    assert_eq!(error.to_string(), "domain ws.example.com leads to API f6g7h8i9j0, which there is none of");
}
