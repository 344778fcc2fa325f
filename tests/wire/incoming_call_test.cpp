// SPDX-License-Identifier: BSL-1.0
#include <kin/wire/incoming_call.hpp>

#include <dlfcn.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include <kin/wire/outcome.hpp>

#include "os/loaded_module.hpp"

namespace {

using kin::detail::encode_call;
using kin::detail::incoming_call;
using kin::detail::parcel;

int twice(int n) { return 2 * n; }

/// Where things stand in a request: u64 hash, u16 size, then u8 size and build-id, u16 size and path, u64 offset.
struct layout {
  explicit layout(const parcel& request) {
    std::uint16_t path_size = 0;
    const auto id_size = static_cast<std::size_t>(request.bytes[10]);
    std::memcpy(&path_size, &request.bytes[identity + id_size], sizeof path_size);
    path = identity + id_size + sizeof path_size;
    offset = path + path_size;
    end = offset + sizeof(std::uint64_t);
  }
  std::size_t hash = 0, place = 8, identity = 11, path = 0, offset = 0, end = 0;
};

parcel request() {
  return encode_call([](int n) { return n + 1; }, 1);
}

std::string refusal(parcel damaged) {
  try {
    incoming_call call(std::move(damaged));
    kin::writer result;
    call.run(result);
  } catch (const kin::decode_error& e) {
    return e.what();
  }
  return "none";
}
/// What is said about a request after `damage(bytes, layout)`.
std::string refusal_after(const std::function<void(std::vector<std::byte>&, const layout&)>& damage,
                          parcel from = request()) {
  damage(from.bytes, layout(from));
  return refusal(std::move(from));
}

TEST(incoming_call, refuses_another_build_of_the_executable) {
  EXPECT_THAT(
      refusal_after([](auto& bytes, auto& at) { bytes[at.identity] ^= std::byte{1}; }),
      testing::MatchesRegex("kin: the executable is not the same build in parent and child \\(parent [0-9a-f]+, child "
                            "[0-9a-f]+\\); was it replaced or upgraded while the program was running\\?.*"));
}

TEST(incoming_call, refuses_another_hash) {
  EXPECT_EQ(refusal_after([](auto& bytes, auto& at) { bytes[at.hash] ^= std::byte{1}; }),
            "kin: the address received is not the task it claims to be");
}

TEST(incoming_call, refuses_every_other_offset) {
  for (const int by : {1, 4, 8, 16, 56, -8, -56, 4096})
    EXPECT_THAT(refusal_after([by](auto& bytes, auto& at) {
                  std::int64_t offset = 0;
                  std::memcpy(&offset, &bytes[at.offset], sizeof offset);
                  offset += by;
                  std::memcpy(&bytes[at.offset], &offset, sizeof offset);
                }),
                testing::AnyOf("kin: the address received is not the task it claims to be",
                               testing::StartsWith("kin: refused address the executable+")))
        << by;
  EXPECT_THAT(
      refusal_after([](auto& bytes, auto& at) { bytes[at.end - 1] = std::byte{0x7f}; }),
      testing::MatchesRegex("kin: refused address the executable\\+[0-9]+: it is outside the module's segments of this "
                            "kind"));
}

TEST(incoming_call, refuses_code_and_data_as_a_task) {
  static const int data = 0;
  const auto* code = reinterpret_cast<const void*>(&twice);
  for (const void* address : {code, static_cast<const void*>(&data)}) {
    Dl_info module{};
    ASSERT_NE(::dladdr(address, &module), 0);
    EXPECT_THAT(refusal_after([&](auto& bytes, auto& at) {
                  const std::uint64_t offset = static_cast<std::uint64_t>(static_cast<const char*>(address) -
                                                                          static_cast<const char*>(module.dli_fbase));
                  std::memcpy(&bytes[at.offset], &offset, sizeof offset);
                }),
                testing::StartsWith("kin: "));
  }
}

TEST(incoming_call, refuses_every_truncation) {
  for (const auto& whole : {request(), encode_call(twice, 1), encode_call(kin::bind(twice, 1))})
    for (std::size_t size = 0; size < whole.bytes.size(); ++size)
      EXPECT_NE(refusal({{whole.bytes.begin(), whole.bytes.begin() + static_cast<std::ptrdiff_t>(size)}, {}}), "none")
          << size;
}

TEST(incoming_call, refuses_bytes_left_over) {
  auto longer = request();
  longer.bytes.push_back({});
  EXPECT_THAT(refusal(std::move(longer)), testing::HasSubstr("bytes are left over"));
}

TEST(incoming_call, runs_only_the_task_itself_after_any_mutation) {
  const auto whole = encode_call([](const std::string& s) { return s.size(); }, "text");
  for (std::size_t at = 0; at < whole.bytes.size(); ++at)
    for (int value = 0; value < 256; value += 5) {
      parcel damaged{whole.bytes, {}};
      damaged.bytes[at] = static_cast<std::byte>(value);
      (void)refusal(std::move(damaged));  // decode_error or nothing; anything else fails the test
    }
}

TEST(incoming_call, refuses_a_function_pointer_with_any_byte_changed) {
  const auto whole = encode_call(twice, 1);
  for (auto at = layout(whole).end; at < whole.bytes.size() - sizeof(int); ++at) {
    parcel damaged{whole.bytes, {}};
    damaged.bytes[at] ^= std::byte{4};
    EXPECT_NE(refusal(std::move(damaged)), "none") << at;
  }
}

TEST(incoming_call, refuses_a_function_pointer_of_another_type) {
  auto call = encode_call(twice, 1);
  const auto other = encode_call(
      +[](std::string s) { return s; }, "text");
  const auto function = static_cast<std::ptrdiff_t>(layout(other).end);
  call.bytes.resize(layout(call).end);
  call.bytes.insert(call.bytes.end(), other.bytes.begin() + function, other.bytes.end());
  EXPECT_EQ(refusal(std::move(call)), "kin: damaged request: a function pointer, or one of another type");
}

TEST(function_pointer, is_refused_where_there_is_no_code) {
  kin::writer out;
  kin::detail::encode_function(out, reinterpret_cast<const void*>(&twice), 7);
  auto message = out.take();
  std::string place(reinterpret_cast<const char*>(&message.bytes[10]), message.bytes.size() - 10);
  place.replace(place.size() - 8, 8, 8, '\0');  // the ELF header
  std::uint64_t check = 7;
  for (const char c : place) check = (check ^ static_cast<unsigned char>(c)) * 1099511628211U;
  std::memcpy(&message.bytes[0], &check, sizeof check);
  std::memcpy(&message.bytes[10], place.data(), place.size());
  kin::reader in(message);
  try {
    (void)kin::detail::decode_function(in, 7);
    FAIL();
  } catch (const kin::decode_error& e) {
    EXPECT_THAT(e.what(), testing::StartsWith("kin: refused address the executable+0"));
  }
}

TEST(incoming_call, refuses_a_module_that_is_nowhere) {
  const auto with_path = [](const std::string& path) {
    return [path](std::vector<std::byte>& bytes, const layout& at) {
      bytes[at.identity] ^= std::byte{1};
      const auto size = static_cast<std::uint16_t>(path.size());
      std::memcpy(&bytes[at.path - 2], &size, sizeof size);
      const auto place = static_cast<std::uint16_t>(at.end - at.place - 2 + path.size());
      std::memcpy(&bytes[at.place], &place, sizeof place);
      const auto* text = reinterpret_cast<const std::byte*>(path.data());
      bytes.insert(bytes.begin() + static_cast<std::ptrdiff_t>(at.path), text, text + path.size());
    };
  };
  EXPECT_THAT(refusal_after(with_path("/no/such/lib.so")),
              testing::MatchesRegex(
                  "kin: the task lives in /no/such/lib.so \\(build-id [0-9a-f]+\\), which the child could not "
                  "load: .*No such file or directory"));
  EXPECT_THAT(refusal_after(with_path("relative.so")), testing::HasSubstr("names no module"));
  EXPECT_THAT(refusal_after(with_path("/proc/self/exe")), testing::HasSubstr("is not the same build"))
      << "the file is looked at before it is loaded";
}

/// The request that the plugin makes in a process of its own, so that it is not loaded here.
parcel request_of_plugin(const char* maker, const std::string& plugin) {
  int ends[2];
  if (::pipe(ends) != 0) return {};
  kin::unique_fd in(ends[0]);
  kin::unique_fd out(ends[1]);
  const auto child = ::fork();
  if (child == 0) {
    void* module = ::dlopen(plugin.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (module == nullptr) ::_exit(1);
    parcel made;
    reinterpret_cast<void (*)(parcel&)>(::dlsym(module, maker))(made);
    ::_exit(::write(out.get(), made.bytes.data(), made.bytes.size()) < 0 ? 1 : 0);
  }
  out.reset();
  parcel result;
  result.bytes.resize(4096);
  const auto size = ::read(in.get(), result.bytes.data(), result.bytes.size());
  result.bytes.resize(size < 0 ? 0 : static_cast<std::size_t>(size));
  ::waitpid(child, nullptr, 0);
  return result;
}

int answer(parcel from_plugin) {
  return kin::detail::decode_outcome<int>(kin::detail::run_request(std::move(from_plugin)), "worker");
}

TEST(incoming_call, loads_the_module_that_a_task_lives_in) {
  const std::string plugin = KIN_TEST_PLUGIN;
  auto function = request_of_plugin("kin_test_function_request", plugin);
  auto lambda = request_of_plugin("kin_test_lambda_request", plugin);
  EXPECT_EQ(::dlopen(plugin.c_str(), RTLD_NOW | RTLD_NOLOAD), nullptr);
  EXPECT_EQ(answer({lambda.bytes, {}}), 2001);
  EXPECT_EQ(answer({function.bytes, {}}), 1001);
  EXPECT_EQ(answer({lambda.bytes, {}}), 2001) << "again, now that it is loaded";
  EXPECT_THAT(refusal_after([](auto& bytes, auto& at) { bytes[at.identity] ^= std::byte{1}; }, std::move(lambda)),
              testing::MatchesRegex("kin: .*kin_wire_plugin.* is not the same build in parent and child .*"));
}

TEST(incoming_call, finds_what_lives_in_one_of_several_modules_without_build_id) {
  const auto copy = std::filesystem::path(testing::TempDir()) / ("kin_nameless_" + std::to_string(::getpid()) + ".so");
  std::filesystem::copy_file(KIN_TEST_PLUGIN_WITHOUT_BUILD_ID, copy);
  std::vector<const void*> there;
  for (const std::string& path : {std::string(KIN_TEST_PLUGIN_WITHOUT_BUILD_ID), copy.string()}) {
    void* const module = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    ASSERT_NE(module, nullptr) << ::dlerror();
    there.push_back(::dlsym(module, "kin_test_of_a_nameless_module"));
  }
  EXPECT_NE(there[0], there[1]);
  for (const void* const function : there) {
    const auto place = kin::os::find_place(function);
    ASSERT_TRUE(place);
    EXPECT_EQ(kin::os::look_up(*place, 1, kin::os::segment::code).address, function);
  }
  std::filesystem::remove(copy);
}

TEST(incoming_call, refuses_a_library_that_was_replaced_without_loading_it) {
  const auto library =
      std::filesystem::path(testing::TempDir()) / ("kin_replaced_" + std::to_string(::getpid()) + ".so");
  std::filesystem::copy_file(KIN_TEST_PLUGIN, library);
  auto from_library = request_of_plugin("kin_test_lambda_request", library.string());
  EXPECT_THAT(refusal_after([](auto& bytes, auto& at) { bytes[at.identity] ^= std::byte{1}; }, std::move(from_library)),
              testing::MatchesRegex("kin: .*kin_replaced_.* is not the same build in parent and child .*"));
  EXPECT_EQ(::dlopen(library.c_str(), RTLD_NOW | RTLD_NOLOAD), nullptr);
  std::filesystem::remove(library);
}

}  // namespace
