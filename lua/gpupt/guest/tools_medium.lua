--- The mounted medium of VMware Tools in a Windows guest: which installer it has, which features that installer has,
-- and which of them are installed afterwards. Nothing here talks to a guest: a step runs the commands.
--
--   local medium = require "gpupt.guest.tools_medium"
--   medium.find()                  --> the command that lists the installers and their features (PowerShell)
--   medium.find_by_cmd()           --> the same without PowerShell, and without features
--   medium.installer(its_output)   --> { path = "D:\\setup64.exe", name = "setup64.exe", version = { ... },
--                                        features = { "Audio", ... } or nil }
--   medium.run(command, installer) --> the command that runs it; command: of gpupt.guest.tools
--   medium.from_cd(command)        --> the same by the medium's label, for an answer file
--   medium.installed()             --> the command that lists the features of the installed Tools
--   medium.read_installed(output)  --> { version = "12.4.0.1234", states = { SVGA = "Absent", Audio = "Local", ... } }
--
-- PowerShell may be absent, or constrained by AppLocker or WDAC: then it runs cmdlets, but no COM object, so there is
-- no Feature table. Nothing that Windows says in its own language is read.
local text = require "gpupt.text"
local versions = require "gpupt.guest.tools_version"

local medium = {}

--- The label of the Tools CD. A CD's letter depends on how many drives a VM has; its label does not.
medium.label = "VMware Tools"

-- Older media have setup64.exe, and setup.exe for 32-bit Windows; newer ones have setup.exe alone, for 64-bit.
-- Seen: 12.5.3 of Workstation 17.6.4 and 13.0.1 (vmware-samples/packer-examples-for-vsphere issue 997).
local names = { "setup64.exe", "setup.exe" }

-- One argument in double quotes for a Windows command line: a quote gets a backslash, and backslashes
-- before a quote are doubled (the rule of CommandLineToArgvW).
local function in_double_quotes(script)
  return '"' .. script:gsub('(\\*)"', function(slashes) return slashes .. slashes .. '\\"' end) .. '"'
end

local POWERSHELL = [[C:\Windows\System32\WindowsPowerShell\v1.0\powershell.exe]]
local CMD = [[C:\Windows\System32\cmd.exe]]

local function by_powershell(script)
  local arguments = "-NoProfile -NonInteractive -ExecutionPolicy Bypass -Command " .. in_double_quotes(script)
  return { program = POWERSHELL, arguments = arguments, line = "powershell.exe " .. arguments }
end

local function in_single_quotes(word) return "'" .. word:gsub("'", "''") .. "'" end

-- Windows Installer's objects have no type library that PowerShell reads: their members are called by name.
local CALLS = "function call($o, $n, $a) { $o.GetType().InvokeMember($n, 'InvokeMethod', $null, $o, $a) }; "
  .. "function get($o, $n, $a) { $o.GetType().InvokeMember($n, 'GetProperty', $null, $o, $a) }; "
  .. "$w = New-Object -ComObject WindowsInstaller.Installer; "

-- The installer's MSI is inside its .exe, which unpacks it with /A /P (VMware Tools documentation: "Extract the .msi
-- files"). The current folder is the temporary one of gpupt, which is deleted afterwards.
local FEATURES = "try { " .. CALLS
  .. "$x = (Get-Location).Path + '\\msi'; "
  .. "Start-Process -FilePath $p -ArgumentList ('/A /P ' + [char]34 + $x + [char]34) -Wait; "
  .. "$m = Get-ChildItem -Path $x -Filter '*64.msi' | Select-Object -First 1; "
  .. "if (-not $m) { $m = Get-ChildItem -Path $x -Filter '*.msi' | Select-Object -First 1 }; "
  .. "$d = call $w 'OpenDatabase' @($m.FullName, 0); "
  .. "$v = call $d 'OpenView' @('SELECT `Feature` FROM `Feature`'); call $v 'Execute' $null; "
  .. "while ($r = call $v 'Fetch' $null) { 'feature|' + $p + '|' + (get $r 'StringData' @(1)) }; 'features|' + $p "
  .. "} catch { 'problem|' + $_.Exception.Message }"

--- The command that lists the Tools installers on all volumes of the guest and the features of one of them. A medium is
-- known by its label or by its installer's product name, not by its letter.
function medium.find()
  return by_powershell(("$p = $null; Get-Volume | Where-Object { $_.DriveLetter } | ForEach-Object { $d = $_; "
    .. "foreach ($n in '%s') { $f = $d.DriveLetter + ':\\' + $n; if (Test-Path $f) { "
    .. "$i = (Get-Item $f).VersionInfo; "
    .. "if ($d.FileSystemLabel -eq '%s' -or $i.ProductName -like '%s*') { $f + '|' + $i.ProductVersion; "
    .. "if (-not $p) { $p = $f } } } } }; if ($p) { %s }"):format(table.concat(names, "','"), medium.label,
    medium.label, FEATURES))
end

--- The same by cmd.exe: a medium of Tools has a manifest.txt with the line monolithic.version = "12.4.0".
function medium.find_by_cmd()
  return { program = CMD, arguments = ('/d /c "for %%d in (D E F G H I J K L M N O P Q R S T U V W X Y Z) do '
    .. "@if exist %%d:\\manifest.txt @for %%n in (%s) do @if exist %%d:\\%%n "
    .. '(echo %%d:\\%%n& findstr /b monolithic.version %%d:\\manifest.txt)"'):format(table.concat(names, " ")) }
end

-- The lines of both commands: a list of { path =, product = }, and the features by path.
local function read(output)
  local list, features, complete = {}, {}, {}
  for line in text.lines(output) do
    local kind, path, name = line:match "^(%l+)|([^|]*)|?(.-)%s*$"
    local file, product = line:match "^%s*(%a:\\[^|]+)|(.-)%s*$"
    local bare = line:match "^%s*(%a:\\[^|]+%.exe)%s*$"
    local version = line:match '^monolithic%.version%s*=%s*"?([%d.]+)'
    if kind == "feature" then
      features[path] = features[path] or {}
      table.insert(features[path], name)
    elseif kind == "features" then
      complete[text.trim(path)] = true
    elseif file or bare then
      list[#list + 1] = { path = file or bare, product = product }
    elseif version and #list > 0 then
      list[#list].product = version
    end
  end
  for path in pairs(features) do
    if not complete[path] then features[path] = nil end
  end
  return list, features
end

--- The installer to run, from the output of medium.find or find_by_cmd: the newest one, setup64.exe before setup.exe.
-- Returns { path =, name =, version =, features = nil or a list }; nil, message, "ENOENT" (there is no Tools medium) or
-- "EINVAL" (its version cannot be read).
function medium.installer(output)
  local best, unreadable
  local rank = { [names[1]] = 1, [names[2]] = 2 }
  local list, features = read(output)
  for _, one in ipairs(list) do
    local name = one.path:match "[^\\]+$":lower()
    if rank[name] then
      local version = versions.read((one.product or ""):match "^%d+%.%d+%.%d+" or "")
      local found = { path = one.path, name = name, version = version, features = features[one.path] }
      if not version then
        unreadable = ("the version of %s cannot be read ('%s')"):format(one.path, one.product or "")
      elseif not best or versions.newer(version, best.version)
        or (not versions.newer(best.version, version) and rank[name] < rank[best.name]) then
        best = found
      end
    end
  end
  if best then return best end
  if unreadable then return nil, unreadable .. ", and it decides which features there are", "EINVAL" end
  return nil, ("the guest has no medium with the label '%s' or an installer of that product"):format(medium.label),
    "ENOENT"
end

--- The command that runs the installer; its exit code is the installer's. `command` is a result of tools.command,
-- `installer` one of medium.installer.
function medium.run(command, installer)
  return { program = installer.path, arguments = command.arguments,
    line = installer.path .. " " .. command.arguments }
end

--- The same where the medium is not known yet, in an answer file: it is found by its label, and the exit code is 2 when
-- there is none. Returns { program=, arguments=, line= }.
function medium.from_cd(command)
  return by_powershell(("$v = Get-Volume | Where-Object { $_.FileSystemLabel -eq '%s' }; "
    .. "if (-not $v) { Write-Error 'no CD with the label %s'; exit 2 }; $f = $v.DriveLetter + ':\\%s'; "
    .. "if (-not (Test-Path $f)) { $f = $v.DriveLetter + ':\\%s' }; "
    .. "$p = Start-Process -FilePath $f -ArgumentList %s -Wait -PassThru; exit $p.ExitCode"):format(medium.label,
    medium.label, names[1], names[2], in_single_quotes(command.arguments)))
end

--- The command that lists the features of the installed Tools, as Windows Installer has registered them.
function medium.installed()
  return by_powershell("try { " .. CALLS .. "foreach ($c in (get $w 'Products' $null)) { "
    .. "if ((get $w 'ProductInfo' @($c, 'InstalledProductName')) -eq '" .. medium.label .. "') { "
    .. "'version|' + (get $w 'ProductInfo' @($c, 'VersionString')); "
    .. "foreach ($f in (get $w 'Features' @($c))) { 'state|' + $f + '|' + (get $w 'FeatureState' @($c, $f)) } } }; "
    .. "'end|' } catch { 'problem|' + $_.Exception.Message }")
end

-- INSTALLSTATE of Windows Installer (learn.microsoft.com, Installer.FeatureState).
local states = { ["1"] = "Advertise", ["2"] = "Absent", ["3"] = "Local", ["4"] = "Source" }

--- Reads its output; nil if it is not complete, or Tools are not installed.
function medium.read_installed(output)
  local result, complete = { states = {} }, false
  for line in text.lines(output or "") do
    local kind, a, b = line:match "^(%l+)|([^|]*)|?(.-)%s*$"
    if kind == "version" then result.version = text.trim(a) end
    if kind == "state" then result.states[a] = states[b] or "Unknown" end
    complete = complete or kind == "end"
  end
  return complete and result.version and result or nil
end

return medium
