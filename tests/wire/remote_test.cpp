// SPDX-License-Identifier: BSL-1.0
#include <kin/wire/remote.hpp>

#include <gtest/gtest.h>

#include <any>
#include <filesystem>
#include <fstream>
#include <functional>
#include <future>
#include <memory>
#include <new>
#include <optional>
#include <regex>
#include <string>
#include <system_error>
#include <typeinfo>
#include <variant>

namespace {

struct db_error : std::runtime_error {  // data of its own, through a codec
  db_error(int c, std::string t)
      : runtime_error("error " + std::to_string(c) + " in " + t), code(c), table(std::move(t)) {}
  int code;
  std::string table;
};
struct quota_error : kin::retryable {  // no more than its text
  using retryable::retryable;
};
struct parse_error : std::exception {  // through serialize()
  int line = 0;
  parse_error() = default;
  explicit parse_error(int l) : line(l) {}
  const char* what() const noexcept override { return "cannot parse"; }
  template <class Archive>
  void serialize(Archive& ar) {
    ar(line);
  }
};
struct parse_error_in_header : parse_error {
  using parse_error::parse_error;
};
struct plain_report {  // no std::exception at all
  int id = 0;
};
struct unencodable_error : std::length_error {
  using length_error::length_error;
};

struct unlisted_range : std::out_of_range {
  using out_of_range::out_of_range;
};
struct unlisted_runtime : std::runtime_error {
  using runtime_error::runtime_error;
};
struct unlisted_retryable : kin::retryable {
  using retryable::retryable;
};
struct http_category : std::error_category {
  const char* name() const noexcept override { return "http"; }
  std::string message(int status) const override { return "status " + std::to_string(status) + " of the server"; }
};
struct not_std {
  int x;
};
struct two_bases : std::out_of_range, kin::retryable {  // std::exception is ambiguous
  two_bases() : out_of_range("both"), retryable("both") {}
};
struct without_text : std::exception {
  const char* what() const noexcept override { return nullptr; }
};

}  // namespace

template <>
struct kin::codec<db_error> {
  static void encode(writer& out, const db_error& e) { out(e.code, e.table); }
  static db_error decode(reader& in) {
    const int code = in.take<int>();
    return {code, in.take<std::string>()};
  }
};
template <>
struct kin::codec<unencodable_error> {
  static void encode(writer&, const unencodable_error&) { throw kin::encode_error("not today"); }
  static unencodable_error decode(reader&) { return unencodable_error(""); }
};

namespace {

inline const kin::transportable<db_error> db_error_registration;
inline const kin::transportable<quota_error> quota_error_registration;
inline const kin::transportable<parse_error> parse_error_registration;
inline const kin::transportable<plain_report> plain_report_registration;
inline const kin::transportable<unencodable_error> unencodable_error_registration;

template <class F>
std::exception_ptr thrown_by(F f) {
  try {
    f();
  } catch (...) {
    return std::current_exception();
  }
  return nullptr;
}

/// As the process that called sees what f throws in worker 1.
std::exception_ptr crossed(std::exception_ptr e, const std::string& worker = "worker 1") {
  kin::writer out;
  kin::detail::encode_exception(out, std::move(e));
  auto message = out.take();
  kin::reader in(message);
  auto result = kin::detail::decode_exception(in, worker);
  in.finish();
  return result;
}

/// Calls look(caught) if f's exception arrives as an E with the text and the story that it left with.
template <class E, class F, class Look>
void expect_same(F f, const char* type_name, Look look) {
  const auto local = thrown_by(f);
  std::string text;
  try {
    std::rethrow_exception(local);
  } catch (const std::exception& e) {
    text = e.what();
  } catch (...) {
  }
  try {
    std::rethrow_exception(crossed(local));
  } catch (const E& e) {
    if constexpr (std::is_base_of_v<std::exception, E>) {
      EXPECT_EQ(e.what(), text);
    }
    const kin::remote_info* info = nullptr;
    if constexpr (std::is_polymorphic_v<E>) info = dynamic_cast<const kin::remote_info*>(&e);
    if (info == nullptr) {
      try {
        throw;
      } catch (const kin::remote_info& i) {
        EXPECT_EQ(i.type_name, type_name);
      }
    } else {
      EXPECT_EQ(info->type_name, type_name);
      EXPECT_EQ(info->worker, "worker 1");
      if (!text.empty()) {
        EXPECT_EQ(info->text, text);
      }
    }
    look(e);
    return;
  } catch (...) {
    FAIL() << "another type came back: " << kin::detail::describe_exception(std::current_exception());
  }
}
template <class E, class F>
void expect_same(F f, const char* type_name) {
  expect_same<E>(f, type_name, [](const E&) {});
}

template <class E, class... A>
void expect_same_by_hand(const char* type_name, A... args) {
  expect_same<E>([&] { throw E(args...); }, type_name);
}

TEST(remote, brings_back_every_standard_type_as_itself) {
  expect_same_by_hand<std::exception>("std::exception");
  expect_same_by_hand<std::logic_error>("std::logic_error", "a");
  expect_same_by_hand<std::invalid_argument>("std::invalid_argument", "bad n");
  expect_same_by_hand<std::domain_error>("std::domain_error", "b");
  expect_same_by_hand<std::length_error>("std::length_error", "c");
  expect_same_by_hand<std::runtime_error>("std::runtime_error", "d");
  expect_same_by_hand<std::range_error>("std::range_error", "e");
  expect_same_by_hand<std::overflow_error>("std::overflow_error", "f");
  expect_same_by_hand<std::underflow_error>("std::underflow_error", "g");
  expect_same_by_hand<std::bad_alloc>("std::bad_alloc");
  expect_same_by_hand<std::bad_array_new_length>("std::bad_array_new_length");
  expect_same_by_hand<std::bad_cast>("std::bad_cast");
  expect_same_by_hand<std::bad_any_cast>("std::bad_any_cast");
  expect_same_by_hand<std::bad_typeid>("std::bad_typeid");
  expect_same_by_hand<std::bad_weak_ptr>("std::bad_weak_ptr");
  expect_same_by_hand<std::bad_function_call>("std::bad_function_call");
  expect_same_by_hand<std::bad_variant_access>("std::bad_variant_access");
  expect_same_by_hand<std::bad_exception>("std::bad_exception");
  expect_same<std::out_of_range>([] { (void)std::string().at(3); }, "std::out_of_range");
  expect_same<std::bad_optional_access>([] { (void)std::optional<int>().value(); }, "std::bad_optional_access");
}

TEST(remote, keeps_codes_paths_and_categories) {
  expect_same<std::system_error>([] { throw std::system_error(ENOENT, std::generic_category(), "opening x"); },
                                 "std::system_error",
                                 [](auto& e) { EXPECT_EQ(e.code(), std::errc::no_such_file_or_directory); });
  expect_same<std::system_error>([] { throw std::system_error(std::error_code(2, std::system_category())); },
                                 "std::system_error",
                                 [](auto& e) { EXPECT_EQ(e.code().category(), std::system_category()); });
  expect_same<std::filesystem::filesystem_error>([] { (void)std::filesystem::file_size("/no/such"); },
                                                 "std::filesystem::filesystem_error",
                                                 [](auto& e) {
                                                   EXPECT_EQ(e.path1(), "/no/such");
                                                   EXPECT_EQ(e.code().value(), ENOENT);
                                                 });
  expect_same<std::ios_base::failure>(
      [] {
        std::ifstream f;
        f.exceptions(std::ios::failbit);
        f.open("/no/such");
      },
      "std::ios_base::failure", [](auto& e) { EXPECT_EQ(e.code().category(), std::iostream_category()); });
  expect_same<std::regex_error>([] { throw std::regex_error(std::regex_constants::error_brack); }, "std::regex_error",
                                [](auto& e) { EXPECT_EQ(e.code(), std::regex_constants::error_brack); });
  expect_same<std::future_error>(
      [] {
        std::promise<int> p;
        (void)p.get_future();
        (void)p.get_future();
      },
      "std::future_error", [](auto& e) { EXPECT_EQ(e.code(), std::future_errc::future_already_retrieved); });
}

TEST(remote, tells_of_a_category_that_only_its_process_has) {
  const auto fails = [](int status) {
    static const http_category http;
    throw std::system_error(status, http, "loading");
  };
  const std::error_category* category = nullptr;
  expect_same<std::system_error>([&] { fails(404); }, "std::system_error",
                                 [&](auto& e) {
                                   category = &e.code().category();
                                   EXPECT_EQ(e.code().value(), 404);
                                   EXPECT_STREQ(category->name(), "http");
                                   EXPECT_EQ(e.code().message(), "status 404 of the server");
                                 });
  expect_same<std::system_error>([&] { fails(500); }, "std::system_error",
                                 [&](auto& e) {
                                   EXPECT_EQ(e.code().category(), *category) << "one name, two categories";
                                   EXPECT_EQ(e.code().message(), "status 500 of the server");
                                   EXPECT_EQ(category->message(404), "status 404 of the server");
                                 });
}

TEST(remote, brings_back_the_errors_of_kin_as_themselves) {
  expect_same_by_hand<kin::error>("kin::error", "a");
  expect_same_by_hand<kin::start_error>("kin::start_error", "b");
  expect_same_by_hand<kin::closed_error>("kin::closed_error", "c");
  expect_same_by_hand<kin::encode_error>("kin::encode_error", "d");
  expect_same_by_hand<kin::decode_error>("kin::decode_error", "e");
  expect_same_by_hand<kin::type_mismatch>("kin::type_mismatch", "f");
  expect_same_by_hand<kin::task_timeout>("kin::task_timeout", "g");
  expect_same_by_hand<kin::cancelled_error>("kin::cancelled_error", "h");
  expect_same_by_hand<kin::owner_died>("kin::owner_died", "i");
  expect_same_by_hand<kin::broken_barrier>("kin::broken_barrier", "j");
  expect_same_by_hand<kin::authentication_error>("kin::authentication_error", "k");
  expect_same_by_hand<kin::retryable>("kin::retryable", "l");
  expect_same<kin::os_error>(
      [] { throw kin::os_error("open the door", "open", EACCES); }, "kin::os_error",
      [](auto& e) {
        EXPECT_EQ(e.code(), std::errc::permission_denied);
        EXPECT_STREQ(kin::os_error(e).what(), "kin: could not open the door: open: Permission denied")
            << "a sliced copy";
      });
  expect_same<kin::buffer_too_short>(
      [] {
        throw kin::buffer_too_short({std::byte{1}, std::byte{2}});
      },
      "kin::buffer_too_short", [](auto& e) { EXPECT_EQ(e.message().size(), 2U); });
}

TEST(remote, brings_back_registered_types_with_their_data) {
  expect_same<db_error>([] { throw db_error(7, "users"); }, "(anonymous namespace)::db_error",
                        [](auto& e) {
                          EXPECT_EQ(e.code, 7);
                          EXPECT_EQ(e.table, "users");
                        });
  expect_same<quota_error>([] { throw quota_error("too many"); }, "(anonymous namespace)::quota_error");
  expect_same<parse_error>([] { throw parse_error(12); }, "(anonymous namespace)::parse_error",
                           [](auto& e) { EXPECT_EQ(e.line, 12); });
  expect_same<plain_report>([] { throw plain_report{5}; }, "(anonymous namespace)::plain_report",
                            [](auto& e) { EXPECT_EQ(e.id, 5); });
}

TEST(remote, takes_the_nearest_base_that_is_known) {
  expect_same<std::out_of_range>([] { throw unlisted_range("far"); }, "(anonymous namespace)::unlisted_range");
  expect_same<parse_error>([] { throw parse_error_in_header(3); }, "(anonymous namespace)::parse_error_in_header",
                           [](auto& e) { EXPECT_EQ(e.line, 3); });
  expect_same<std::length_error>([] { throw unencodable_error("its codec throws"); },
                                 "(anonymous namespace)::unencodable_error");
}

TEST(remote, throws_a_remote_error_that_is_a_runtime_error_when_no_more_is_known) {
  const auto e = crossed(thrown_by([] { throw unlisted_runtime("odd"); }));
  EXPECT_THROW(std::rethrow_exception(e), std::runtime_error);
  try {
    std::rethrow_exception(e);
  } catch (const kin::remote_error& caught) {
    EXPECT_EQ(caught.type_name, "(anonymous namespace)::unlisted_runtime");
    EXPECT_EQ(caught.text, "odd");
    EXPECT_STREQ(caught.what(), "(anonymous namespace)::unlisted_runtime: odd");
  }
}

void expect_remote_error(std::exception_ptr e, const std::string& type_name, const std::string& text) {
  try {
    std::rethrow_exception(crossed(std::move(e)));
  } catch (const kin::remote_error& caught) {
    EXPECT_EQ(caught.type_name, type_name);
    EXPECT_EQ(caught.text, text);
    EXPECT_EQ(caught.worker, "worker 1");
  }
}

TEST(remote, tells_what_was_thrown_that_is_no_exception_class) {
  expect_remote_error(thrown_by([] { throw 42; }), "int", "42");
  expect_remote_error(thrown_by([] { throw "text"; }), "char const*", "text");
  expect_remote_error(thrown_by([] { throw std::string("string"); }), "std::string", "string");
  expect_remote_error(thrown_by([] { throw not_std{1}; }), "(anonymous namespace)::not_std",
                      "an exception of type (anonymous namespace)::not_std");
  expect_remote_error(thrown_by([] { throw nullptr; }), "decltype(nullptr)", "");
}

TEST(remote, survives_a_what_that_is_null) {
  expect_remote_error(thrown_by([] { throw without_text(); }), "(anonymous namespace)::without_text", "");
}

void throw_nested() {
  try {
    try {
      throw db_error(9, "t");
    } catch (...) {
      std::throw_with_nested(std::invalid_argument("middle"));
    }
  } catch (...) {
    std::throw_with_nested(unlisted_range("outer"));
  }
}

TEST(remote, rebuilds_the_chain_of_causes) {
  const auto e = crossed(thrown_by(throw_nested));
  try {
    std::rethrow_exception(e);
  } catch (const std::out_of_range& outer) {
    EXPECT_EQ(dynamic_cast<const kin::remote_info&>(outer).type_name, "(anonymous namespace)::unlisted_range");
    try {
      std::rethrow_if_nested(outer);
      FAIL();
    } catch (const std::invalid_argument& middle) {
      EXPECT_STREQ(middle.what(), "middle");
      EXPECT_EQ(dynamic_cast<const kin::remote_info&>(middle).type_name, "std::invalid_argument");
      try {
        std::rethrow_if_nested(middle);
        FAIL();
      } catch (const db_error& inner) {
        EXPECT_EQ(inner.code, 9);
        EXPECT_NO_THROW(std::rethrow_if_nested(inner));
      }
    }
  }
}

TEST(remote, nests_user_types_and_remote_errors_as_well) {
  const auto e = crossed(thrown_by([] {
    try {
      throw 42;
    } catch (...) {
      try {
        std::throw_with_nested(not_std{1});
      } catch (...) {
        std::throw_with_nested(db_error(1, "nested"));
      }
    }
  }));
  EXPECT_EQ(kin::detail::describe_exception(e),
            "(anonymous namespace)::db_error: error 1 in nested\n"
            "  caused by (anonymous namespace)::not_std: an exception of type (anonymous namespace)::not_std\n"
            "  caused by int: 42");
}

TEST(remote, cuts_a_chain_that_is_too_long) {
  std::exception_ptr e;
  for (int i = 0; i < 100; ++i) {
    e = thrown_by([&] {
      if (e == nullptr) throw std::runtime_error("innermost");
      try {
        std::rethrow_exception(e);
      } catch (...) {
        std::throw_with_nested(std::runtime_error(std::to_string(i)));
      }
    });
  }
  const auto text = kin::detail::describe_exception(crossed(e));
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 31);
}

TEST(remote, keeps_its_type_name_and_worker_through_a_second_process) {
  for (const auto& e :
       {thrown_by([] { throw unlisted_range("far"); }), thrown_by([] { throw db_error(7, "users"); }),
        thrown_by([] { throw std::runtime_error("plain"); }), thrown_by([] { throw 42; }), thrown_by(throw_nested)}) {
    const auto once = crossed(e, "worker 1");
    const auto twice = crossed(once, "worker 2");
    EXPECT_EQ(kin::detail::describe_exception(once), kin::detail::describe_exception(twice));
    EXPECT_EQ(kin::detail::describe_exception(e), kin::detail::describe_exception(twice));
    EXPECT_EQ(*once.__cxa_exception_type(), *twice.__cxa_exception_type());
    try {
      std::rethrow_exception(twice);
    } catch (const kin::remote_info& info) {
      EXPECT_EQ(info.worker, "worker 1");
    }
  }
}

TEST(remote, still_says_that_a_retry_may_help) {
  EXPECT_TRUE(kin::detail::is_retryable(crossed(thrown_by([] { throw unlisted_retryable("x"); }))));
  EXPECT_TRUE(kin::detail::is_retryable(crossed(thrown_by([] { throw quota_error("x"); }))));
  EXPECT_TRUE(kin::detail::is_retryable(thrown_by([] { throw two_bases(); })));
  EXPECT_FALSE(kin::detail::is_retryable(crossed(thrown_by([] { throw std::runtime_error("x"); }))));
}

TEST(remote, copes_with_an_ambiguous_base) {
  EXPECT_THROW(std::rethrow_exception(crossed(thrown_by([] { throw two_bases(); }))), std::out_of_range);
}

TEST(remote, forgets_a_registration_that_is_gone) {
  struct passing_error : std::out_of_range {
    using out_of_range::out_of_range;
  };
  const auto e = thrown_by([] { throw passing_error("x"); });
  {
    const kin::transportable<passing_error> here;
    EXPECT_THROW(std::rethrow_exception(crossed(e)), passing_error);
  }
  try {
    std::rethrow_exception(crossed(e));
  } catch (const passing_error&) {
    FAIL();
  } catch (const std::out_of_range&) {
  }
}

TEST(remote, refuses_every_truncation_and_only_with_decode_error) {
  kin::writer out;
  kin::detail::encode_exception(out, thrown_by(throw_nested));
  const auto message = out.take();
  for (std::size_t size = 0; size < message.bytes.size(); ++size) {
    kin::detail::parcel part{{message.bytes.begin(), message.bytes.begin() + static_cast<std::ptrdiff_t>(size)}, {}};
    kin::reader in(part);
    EXPECT_THROW((void)kin::detail::decode_exception(in, ""), kin::decode_error) << size;
  }
}

TEST(remote, turns_any_mutation_into_some_exception_or_decode_error) {
  kin::writer out;
  kin::detail::encode_exception(out, thrown_by(throw_nested));
  const auto message = out.take();
  for (std::size_t at = 0; at < message.bytes.size(); ++at)
    for (const int flip : {1, 0x80, 0xff}) {
      kin::detail::parcel damaged{message.bytes, {}};
      damaged.bytes[at] ^= static_cast<std::byte>(flip);
      kin::reader in(damaged);
      try {
        EXPECT_NE(kin::detail::decode_exception(in, ""), nullptr);
      } catch (const kin::decode_error&) {
      }
    }
}

}  // namespace
