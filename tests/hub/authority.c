/* See authority.h. */
#include "authority.h"

#include "base/test_folder.h"

#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { DAY = 86400 };

struct authority {
    EVP_PKEY *key;
    X509 *certificate;
};

static void add_extension(X509 *certificate, X509 *issuer, int kind, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, kind, value);
    assert_non_null(extension);
    assert_int_equal(X509_add_ext(certificate, extension, -1), 1);
    X509_EXTENSION_free(extension);
}

/* A certificate that is not signed yet; `issuer` NULL: its own. */
static X509 *begin_certificate(const char *name, EVP_PKEY *key, X509 *issuer, long from, long until)
{
    static long number;
    X509 *certificate = X509_new();
    assert_non_null(certificate);
    X509_set_version(certificate, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), ++number);
    X509_gmtime_adj(X509_getm_notBefore(certificate), from);
    X509_gmtime_adj(X509_getm_notAfter(certificate), until);
    X509_set_pubkey(certificate, key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC, (const unsigned char *)name, -1,
                               -1, 0);
    X509_set_issuer_name(certificate, X509_get_subject_name(issuer ? issuer : certificate));
    return certificate;
}

struct authority *authority_make(void)
{
    static int count;
    char name[64];
    struct authority *authority = calloc(1, sizeof(*authority));
    assert_non_null(authority);
    authority->key = EVP_EC_gen("P-256");
    assert_non_null(authority->key);
    snprintf(name, sizeof(name), "Authority %d of the tests", ++count); /* each is another one */
    authority->certificate = begin_certificate(name, authority->key, NULL, -DAY, DAY);
    add_extension(authority->certificate, authority->certificate, NID_basic_constraints, "critical,CA:TRUE");
    add_extension(authority->certificate, authority->certificate, NID_key_usage, "critical,keyCertSign,cRLSign");
    assert_true(X509_sign(authority->certificate, authority->key, EVP_sha256()) > 0);
    return authority;
}

void authority_free(struct authority *authority)
{
    X509_free(authority->certificate);
    EVP_PKEY_free(authority->key);
    free(authority);
}

void authority_write(const struct authority *authority, const char *folder, const char *name)
{
    BIO *memory = BIO_new(BIO_s_mem());
    char *text;
    assert_int_equal(PEM_write_bio_X509(memory, authority->certificate), 1);
    const long length = BIO_get_mem_data(memory, &text);
    test_write(folder, name, text, (size_t)length);
    BIO_free(memory);
}

void authority_hashed_name(const struct authority *authority, char out[16])
{
    snprintf(out, 16, "%08lx.0", X509_subject_name_hash(authority->certificate));
}

SSL_CTX *authority_certify(const struct authority *authority, const char *names, long from, long until)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    assert_non_null(key);
    assert_non_null(context);
    X509 *certificate = begin_certificate("A host of the tests", key, authority->certificate, from, until);
    add_extension(certificate, authority->certificate, NID_subject_alt_name, names);
    assert_true(X509_sign(certificate, authority->key, EVP_sha256()) > 0);
    assert_int_equal(SSL_CTX_use_certificate(context, certificate), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(context, key), 1);
    X509_free(certificate);
    EVP_PKEY_free(key);
    return context;
}
