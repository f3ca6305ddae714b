package main

// An image made from scratch has no certificate authorities to know AWS by. Those built in here are Mozilla's, and are
// used only where the system has none of its own; SSL_CERT_FILE and SSL_CERT_DIR, too, go before them.
import _ "golang.org/x/crypto/x509roots/fallback"
